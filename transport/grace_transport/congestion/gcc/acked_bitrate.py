"""How fast packets really arrive: throughput by the receiver's clock. Knows no send times but one (end of ALR).

Dialect: libwebrtc's `bitrate_estimator.cc` and `acknowledged_bitrate_estimator.cc`.
"""

from __future__ import annotations

from collections.abc import Iterable

from grace_transport.congestion.history import Arrived

FIRST_WINDOW_US = 500_000
WINDOW_US = 150_000
UNCERTAINTY = 10.0  # of a sample that differs from the estimate
START_VARIANCE = 50.0
VARIANCE_STEP = 5.0
FAST_CHANGE_VARIANCE = 200.0


class ThroughputFilter:
    """A Bayesian estimate over windows of 150 ms: a sample that is far off is believed less."""

    def __init__(self) -> None:
        self._estimate_kbps: float | None = None
        self._variance = START_VARIANCE
        self._window_us = 0
        self._window_bytes = 0
        self._last_us: int | None = None

    @property
    def rate_bps(self) -> float | None:
        return None if self._estimate_kbps is None else self._estimate_kbps * 1_000

    def expect_fast_change(self) -> None:
        """The rate will jump (an application-limited phase ended): believe new samples sooner."""
        self._variance += FAST_CHANGE_VARIANCE

    def update(self, at_us: int, size_bytes: int) -> None:
        sample_kbps = self._close_window(at_us)
        self._window_bytes += size_bytes
        if sample_kbps is None:
            return
        estimate_kbps = self._estimate_kbps
        if not estimate_kbps:  # the first, or nothing but zeros so far
            self._estimate_kbps = sample_kbps
            return
        sample_variance = (UNCERTAINTY * abs(estimate_kbps - sample_kbps) / estimate_kbps) ** 2
        variance = self._variance + VARIANCE_STEP
        total = sample_variance + variance
        self._estimate_kbps = (sample_variance * estimate_kbps + variance * sample_kbps) / total
        self._variance = sample_variance * variance / total

    def _close_window(self, at_us: int) -> float | None:
        """The rate of the window that ends with this packet (not counted in it), if one does."""
        window_us = FIRST_WINDOW_US if self._estimate_kbps is None else WINDOW_US
        if self._last_us is not None:
            gap_us = at_us - self._last_us
            if gap_us < 0:  # the receiver's clock stepped back
                self._window_us = self._window_bytes = 0
            else:
                self._window_us += gap_us
                if gap_us > window_us:  # a silent window: keep its phase, drop its bytes
                    self._window_bytes = 0
                    self._window_us %= window_us
        self._last_us = at_us
        if self._window_us < window_us:
            return None
        sample_kbps = 8_000 * self._window_bytes / window_us
        self._window_us -= window_us
        self._window_bytes = 0
        return sample_kbps


class AckedBitrate:
    """Acknowledged bitrate of the whole flow."""

    def __init__(self, throughput: ThroughputFilter | None = None) -> None:
        self._filter = ThroughputFilter() if throughput is None else throughput
        self._alr_ended_us: int | None = None

    @property
    def rate_bps(self) -> float | None:
        """None before the first window of 500 ms."""
        return self._filter.rate_bps

    def on_alr_ended(self, now_us: int) -> None:
        self._alr_ended_us = now_us

    def on_arrived(self, packets: Iterable[Arrived]) -> None:
        """`packets` in order of arrival."""
        for packet in packets:
            if self._alr_ended_us is not None and packet.sent_us > self._alr_ended_us:
                self._filter.expect_fast_change()
                self._alr_ended_us = None
            self._filter.update(packet.arrived_us, packet.size_bytes)
