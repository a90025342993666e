"""Is the application sending less than it may? Detects application-limited regions (ALR). Knows no network.

Dialect: libwebrtc's `alr_detector.cc` and `interval_budget.cc`.
"""

from __future__ import annotations

USAGE = 0.65  # of the estimate is the budget
WINDOW_US = 500_000  # what the budget can save up or owe
START_UNUSED, STOP_UNUSED = 0.80, 0.50  # share of the budget


class AlrDetector:
    """A leaky budget: it fills with time at 65 % of the estimate, and packets take from it."""

    def __init__(self, estimate_bps: int) -> None:
        self._budget_bps = USAGE * estimate_bps
        self._left_bits = 0.0
        self._last_us: int | None = None
        self.started_us: int | None = None  # None: not application-limited

    def set_estimate(self, estimate_bps: int) -> None:
        self._budget_bps = USAGE * estimate_bps
        limit_bits = self._limit_bits()
        self._left_bits = min(max(self._left_bits, -limit_bits), limit_bits)

    def on_sent(self, size_bytes: int, now_us: int) -> None:
        limit_bits = self._limit_bits()
        elapsed_us = 0 if self._last_us is None else max(now_us - self._last_us, 0)
        self._last_us = now_us
        spent_bits = max(self._left_bits - size_bytes * 8, -limit_bits)
        self._left_bits = min(spent_bits + self._budget_bps * elapsed_us / 1_000_000, limit_bits)
        unused = self._left_bits / limit_bits
        if self.started_us is None and unused > START_UNUSED:
            self.started_us = now_us
        elif self.started_us is not None and unused < STOP_UNUSED:
            self.started_us = None

    def _limit_bits(self) -> float:
        return max(self._budget_bps * WINDOW_US / 1_000_000, 1.0)
