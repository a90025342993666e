"""Slope of the one-way delay over the last groups. Knows no thresholds.

Dialect: libwebrtc's `trendline_estimator.cc` (linear regression; the draft and pion use a Kalman filter).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

WINDOW = 20  # groups (kDefaultTrendlineWindowSize)
SMOOTHING = 0.9  # of the accumulated delay (kDefaultTrendlineSmoothingCoeff)
MAX_DELTAS = 1_000  # the count stops here (kDeltaCounterMax)


class Trendline:
    """Milliseconds of delay per millisecond of time; positive while a queue grows."""

    def __init__(self) -> None:
        self.deltas = 0  # how many it has seen, up to MAX_DELTAS
        self.slope = 0.0
        self._first_arrival_ms: float | None = None
        self._delay_ms = 0.0
        self._smoothed_ms = 0.0
        self._times_ms: deque[float] = deque(maxlen=WINDOW)
        self._delays_ms: deque[float] = deque(maxlen=WINDOW)

    def update(self, arrival_delta_ms: float, send_delta_ms: float, arrival_ms: float) -> float:
        """Take one group delta; returns the slope, which keeps its last value until the window is full."""
        self.deltas = min(self.deltas + 1, MAX_DELTAS)
        if self._first_arrival_ms is None:
            self._first_arrival_ms = arrival_ms
        self._delay_ms += arrival_delta_ms - send_delta_ms
        self._smoothed_ms = SMOOTHING * self._smoothed_ms + (1 - SMOOTHING) * self._delay_ms
        self._times_ms.append(arrival_ms - self._first_arrival_ms)
        self._delays_ms.append(self._smoothed_ms)
        if len(self._times_ms) == WINDOW:
            slope = regression_slope(self._times_ms, self._delays_ms)
            self.slope = self.slope if slope is None else slope
        return self.slope


def regression_slope(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Least squares; None if all xs are the same."""
    mean_x = sum(xs) / len(xs)
    mean_y = sum(ys) / len(ys)
    numerator = denominator = 0.0
    for x, y in zip(xs, ys, strict=True):
        dx = x - mean_x
        numerator += dx * (y - mean_y)
        denominator += dx * dx
    return numerator / denominator if denominator else None
