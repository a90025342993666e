"""Holds the rate back while more is in flight than the path should hold. Knows no delay trend and no loss.

Dialect: libwebrtc's `congestion_window_pushback_controller.cc`, a field trial there, off by default here too.
"""

from __future__ import annotations

MIN_WINDOW_BYTES = 3_000
FAR_OVER, FAR_OVER_STEP = 1.5, 0.9  # window fill, and what one update does to the rate
OVER_STEP = 0.95
EMPTY = 0.1  # below it the rate is let go at once
RELEASE_STEP = 1.05


class CongestionWindow:
    """`queue_us`: how much queue is accepted on top of the shortest response time."""

    def __init__(self, queue_us: int, min_bps: int) -> None:
        self._queue_us = queue_us
        self._min_bps = min_bps
        self._window_bytes = 0.0  # 0: not known yet
        self._ratio = 1.0

    def on_feedback(self, rate_bps: int, shortest_response_us: int) -> None:
        """A report came: the window follows rate and response time, halfway each time."""
        window_bytes = rate_bps * (shortest_response_us + self._queue_us) / 8_000_000
        if self._window_bytes:
            window_bytes = (window_bytes + self._window_bytes) / 2
        self._window_bytes = max(window_bytes, MIN_WINDOW_BYTES)

    def limit(self, rate_bps: int, in_flight_bytes: int) -> int:
        """The rate, lowered step by step while the window is over-full. Call regularly (every 25 ms)."""
        if not self._window_bytes:
            return rate_bps
        fill = in_flight_bytes / self._window_bytes
        if fill > FAR_OVER:
            self._ratio *= FAR_OVER_STEP
        elif fill > 1:
            self._ratio *= OVER_STEP
        else:
            self._ratio = 1.0 if fill < EMPTY else min(self._ratio * RELEASE_STEP, 1.0)
        self._ratio = max(self._ratio, 1e-3)
        return max(int(rate_bps * self._ratio), min(rate_bps, self._min_bps))
