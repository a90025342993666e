"""The delay-based estimate: group deltas -> trend -> usage -> rate. Knows neither loss nor limits.

Dialect: libwebrtc's `delay_based_bwe.cc`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grace_transport.congestion.gcc.aimd import Aimd
from grace_transport.congestion.gcc.inter_arrival import InterArrival
from grace_transport.congestion.gcc.overuse import OveruseDetector, Usage
from grace_transport.congestion.gcc.trendline import Trendline
from grace_transport.congestion.history import Arrived

JITTER_SMOOTHING = 1 / 16  # RFC 3550, section 6.4.1, here between groups
STREAM_TIMEOUT_US = 2_000_000  # without feedback for so long the past says nothing (kStreamTimeOut)


@dataclass(frozen=True, slots=True)
class DelayEstimate:
    """`rate_bps` is None while nothing new is known; `recovered`: an overuse that drained is over."""

    rate_bps: int | None
    from_probe: bool = False
    recovered: bool = False


class DelayBased:
    """One call per report."""

    def __init__(self, start_bps: int | None = None, *, no_increase_in_alr: bool = False) -> None:
        self.aimd = Aimd(start_bps, no_increase_in_alr=no_increase_in_alr)
        self._inter_arrival = InterArrival()
        self._trendline = Trendline()
        self._detector = OveruseDetector()
        self._seen_us: int | None = None
        self._jitter_us = 0.0
        self.usage = Usage.NORMAL

    @property
    def jitter_us(self) -> int:
        """Mean change of delay from group to group."""
        return int(self._jitter_us)

    def on_arrived(
        self,
        packets: Sequence[Arrived],
        acked_bps: float | None,
        probe_bps: int | None,
        now_us: int,
        carried_bps: float | None = None,
        *,
        ignore_overuse: bool = False,
    ) -> DelayEstimate:
        """`packets` in order of arrival; `probe_bps`: what a probe has measured since the last call; `carried_bps`:
        what the bottleneck carried, where that is more than what arrived (random loss after it). It sets how far
        overuse lowers the rate; growth stays bound to what arrives."""
        if not packets:
            return DelayEstimate(None)
        if self._seen_us is None or now_us - self._seen_us > STREAM_TIMEOUT_US:
            self._restart()
        self._seen_us = now_us
        recovered = False
        for packet in packets:
            recovered |= self._on_packet(packet, now_us)
        self.usage = self._detector.usage
        if ignore_overuse and self.usage is Usage.OVERUSE:
            self.usage = Usage.NORMAL  # jitter, a frame's own burst, or the queue of others
        return self._estimate(acked_bps, carried_bps or acked_bps, probe_bps, recovered, now_us)

    def _restart(self) -> None:
        self._inter_arrival.reset()
        self._trendline = Trendline()
        self._detector = OveruseDetector()

    def _on_packet(self, packet: Arrived, now_us: int) -> bool:
        """True if this packet ends an underuse."""
        delta = self._inter_arrival.on_packet(packet.sent_us, packet.arrived_us, now_us, packet.size_bytes)
        if delta is None:
            return False
        self._jitter_us += JITTER_SMOOTHING * (abs(delta.arrival_us - delta.send_us) - self._jitter_us)
        before = self._detector.usage
        send_ms, arrival_ms = delta.send_us / 1_000, packet.arrived_us / 1_000
        slope = self._trendline.update(delta.arrival_us / 1_000, send_ms, arrival_ms)
        after = self._detector.update(slope, send_ms, self._trendline.deltas, arrival_ms)
        return before is Usage.UNDERUSE and after is Usage.NORMAL

    def _estimate(
        self,
        acked_bps: float | None,
        carried_bps: float | None,
        probe_bps: int | None,
        recovered: bool,
        now_us: int,
    ) -> DelayEstimate:
        aimd = self.aimd
        if self.usage is not Usage.OVERUSE:
            if probe_bps is not None:
                aimd.set_estimate(probe_bps, now_us)
                return DelayEstimate(aimd.rate_bps, from_probe=True)
            return DelayEstimate(aimd.update(self.usage, acked_bps, now_us), recovered=recovered)
        if carried_bps is not None:
            if aimd.may_reduce(carried_bps, now_us):
                return DelayEstimate(aimd.update(Usage.OVERUSE, carried_bps, now_us))
        elif aimd.may_reduce_blindly(now_us):
            # Over-using before any throughput is known: halve, once per round trip.
            aimd.set_estimate((aimd.rate_bps or 0) / 2, now_us)
            return DelayEstimate(aimd.rate_bps)
        return DelayEstimate(None)
