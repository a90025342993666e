"""What the bottleneck carries, measured with the media itself: every frame that leaves as a burst is a probe.

A frame leaves at the pacing rate, a multiple of the target. If its packets arrive as close together as they were sent,
the bottleneck carries at least the pacing rate. If they arrive further apart, it carries what arrived in that time
(packet-train dispersion: Dovrolis, Ramanathan, Moore, "Packet-dispersion techniques and a capacity-estimation
methodology", ToN 2004). One frame is a short train, so the bytes and the times of several are added up first: arrivals
on the grid of a Wi-Fi or LTE scheduler then average out. Knows no rates that are in force, no queue and no loss.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from grace_transport.congestion.history import Arrived

MAX_GAP_US = 50_000  # between two bursts of the pacer within a train
MAX_WINDOW_US = 1_000_000
MIN_GAPS, MIN_SEND_US = 4, 10_000  # in all: less of them says nothing
FASTER = 1.3  # times the average rate: what is sent faster belongs to one frame


@dataclass(frozen=True, slots=True)
class TrainRates:
    """Over the trains of a window: the rate at which they were sent, and at which they arrived."""

    send_bps: float
    arrival_bps: float

    @property
    def capacity_bps(self) -> float:
        """What the bottleneck carries, or a lower bound where nothing was stretched."""
        return min(self.send_bps, self.arrival_bps)


@dataclass(frozen=True, slots=True)
class _Gap:
    """From one burst of the pacer to the next of the same train. The bytes are those that took this long."""

    sent_us: int
    send_us: int
    arrival_us: int
    send_bytes: int
    arrival_bytes: int


@dataclass(slots=True)
class _Burst:
    sent_us: int
    arrived_us: int
    size_bytes: int


class TrainEstimator:
    """Feed the packets that arrived, in order of arrival."""

    def __init__(self) -> None:
        self._before: _Burst | None = None
        self._burst: _Burst | None = None
        self._gaps: deque[_Gap] = deque()

    def on_arrived(self, packets: Iterable[Arrived], average_bps: float) -> None:
        """`average_bps`: the rate of the whole flow, above which packets count as sent back to back."""
        for packet in packets:
            burst = self._burst
            if burst is not None and packet.sent_us == burst.sent_us:
                burst.size_bytes += packet.size_bytes
                burst.arrived_us = max(burst.arrived_us, packet.arrived_us)
            elif burst is None or packet.sent_us > burst.sent_us:  # else reordered
                self._close(average_bps)
                self._burst = _Burst(packet.sent_us, packet.arrived_us, packet.size_bytes)

    def rates(self, window_us: int) -> TrainRates | None:
        """Of what was sent in the last `window_us`, as far as is known; None if that is too little."""
        newest_us = self._gaps[-1].sent_us if self._gaps else 0
        gaps = [gap for gap in self._gaps if gap.sent_us > newest_us - window_us]
        send_us = sum(gap.send_us for gap in gaps)
        if len(gaps) < MIN_GAPS or send_us < MIN_SEND_US:
            return None
        arrival_us = max(sum(gap.arrival_us for gap in gaps), 1)
        send_bytes, arrival_bytes = sum(gap.send_bytes for gap in gaps), sum(gap.arrival_bytes for gap in gaps)
        return TrainRates(send_bytes * 8e6 / send_us, arrival_bytes * 8e6 / arrival_us)

    def _close(self, average_bps: float) -> None:
        """The newest burst is complete: keep its distance to the one before it, if both are of one train."""
        before, burst = self._before, self._burst
        self._before = burst
        if before is None or burst is None:
            return
        send_us, arrival_us = burst.sent_us - before.sent_us, burst.arrived_us - before.arrived_us
        fast = before.size_bytes * 8e6 >= FASTER * average_bps * send_us
        if fast and send_us <= MAX_GAP_US and arrival_us >= 0:
            self._gaps.append(_Gap(burst.sent_us, send_us, arrival_us, before.size_bytes, burst.size_bytes))
        while self._gaps and self._gaps[0].sent_us < burst.sent_us - MAX_WINDOW_US:
            self._gaps.popleft()
