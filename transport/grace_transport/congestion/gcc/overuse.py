"""Is the bottleneck over-used? Compares the delay trend with a threshold that adapts. Knows no rates.

Dialect: libwebrtc's detector inside `trendline_estimator.cc` (gains .0087 and .039; the draft has .01 and .00018).
"""

from __future__ import annotations

from enum import Enum

GAIN = 4.0  # of the slope (kDefaultTrendlineThresholdGain)
MAX_GROUPS = 60  # the trend is weighted with the number of groups, up to this (kMinNumDeltas)
OVERUSE_MS = 10.0  # of sending over the threshold (kOverUsingTimeThreshold)
START_THRESHOLD_MS = 12.5
MIN_THRESHOLD_MS, MAX_THRESHOLD_MS = 6.0, 600.0
GAIN_UP, GAIN_DOWN = 0.0087, 0.039  # per ms
SPIKE_MS = 15.0  # further above the threshold than this does not move it (kMaxAdaptOffsetMs)
MAX_STEP_MS = 100.0  # time between two adaptations


class Usage(Enum):
    """What the delay trend says about the bottleneck."""

    NORMAL = "normal"
    OVERUSE = "overuse"
    UNDERUSE = "underuse"


class AdaptiveThreshold:
    """Follows the trend's magnitude, so that competing loss-based traffic cannot starve us (design B5)."""

    def __init__(self) -> None:
        self.value_ms = START_THRESHOLD_MS
        self._at_ms: float | None = None

    def update(self, modified_trend: float, at_ms: float) -> None:
        step_ms = 0.0 if self._at_ms is None else min(max(at_ms - self._at_ms, 0.0), MAX_STEP_MS)
        self._at_ms = at_ms
        excess_ms = abs(modified_trend) - self.value_ms
        if excess_ms > SPIKE_MS:
            return
        gain = GAIN_DOWN if excess_ms < 0 else GAIN_UP
        self.value_ms = min(max(self.value_ms + gain * excess_ms * step_ms, MIN_THRESHOLD_MS), MAX_THRESHOLD_MS)


class OveruseDetector:
    """Overuse needs a trend above the threshold for more than 10 ms and two groups, and not falling."""

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.threshold = AdaptiveThreshold()
        self.modified_trend: float | None = None  # comparable with the threshold; None before the second delta
        self._previous_trend = 0.0
        self._over_ms: float | None = None
        self._over_groups = 0

    def update(self, trend: float, send_delta_ms: float, deltas: int, at_ms: float) -> Usage:
        """`deltas`: how many groups the trend has seen; `at_ms`: the threshold's clock (arrival time, in libwebrtc)."""
        if deltas < 2:
            self.usage = Usage.NORMAL
            return self.usage
        modified = self.modified_trend = min(deltas, MAX_GROUPS) * trend * GAIN
        if modified > self.threshold.value_ms:
            # On the first group the time over is unknown: half its distance is the best guess.
            self._over_ms = send_delta_ms / 2 if self._over_ms is None else self._over_ms + send_delta_ms
            self._over_groups += 1
            if self._over_ms > OVERUSE_MS and self._over_groups > 1 and trend >= self._previous_trend:
                self._over_ms, self._over_groups = 0.0, 0
                self.usage = Usage.OVERUSE
        else:
            self._over_ms, self._over_groups = None, 0
            self.usage = Usage.UNDERUSE if modified < -self.threshold.value_ms else Usage.NORMAL
        self._previous_trend = trend
        self.threshold.update(modified, at_ms)
        return self.usage
