"""What the bottleneck carried when it was last full, with an uncertainty. Knows nothing of delay or loss.

Dialect: libwebrtc's `link_capacity_estimator.cc`.
"""

from __future__ import annotations

from math import sqrt

SMOOTHING = 0.05  # weight of a new sample on overuse
MIN_VARIANCE_KBPS, MAX_VARIANCE_KBPS = 0.4, 2.5  # normalised by the estimate: 14 and 35 kbps deviation at 500 kbps
DEVIATIONS = 3


class LinkCapacity:
    """Exponential average of the throughput at overuse; bits per second outside, kbps inside as in the source."""

    def __init__(self) -> None:
        self._estimate_kbps: float | None = None
        self._variance_kbps = MIN_VARIANCE_KBPS

    @property
    def known(self) -> bool:
        return self._estimate_kbps is not None

    @property
    def estimate_bps(self) -> float:
        return (self._estimate_kbps or 0.0) * 1_000

    @property
    def lower_bps(self) -> float:
        """0 if nothing is known."""
        return max(self.estimate_bps - self._margin_bps(), 0.0)

    @property
    def upper_bps(self) -> float:
        """Infinite if nothing is known."""
        return self.estimate_bps + self._margin_bps() if self.known else float("inf")

    def reset(self) -> None:
        self._estimate_kbps = None

    def on_overuse(self, throughput_bps: float) -> None:
        sample_kbps = throughput_bps / 1_000
        if self._estimate_kbps is None:
            self._estimate_kbps = sample_kbps
        else:
            self._estimate_kbps += SMOOTHING * (sample_kbps - self._estimate_kbps)
        # The variance grows with the rate: normalise it by the estimate, then bound it.
        error = (self._estimate_kbps - sample_kbps) ** 2 / max(self._estimate_kbps, 1.0)
        variance = (1 - SMOOTHING) * self._variance_kbps + SMOOTHING * error
        self._variance_kbps = min(max(variance, MIN_VARIANCE_KBPS), MAX_VARIANCE_KBPS)

    def _margin_bps(self) -> float:
        return DEVIATIONS * sqrt(self._variance_kbps * (self._estimate_kbps or 0.0)) * 1_000
