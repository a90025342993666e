"""Salsify's congestion control (Sal-CC): the next frame may be as big as drains in 100 ms. Knows no delay trend.

Fouladi et al., NSDI '18, section 4.3; the GRACE paper uses it in its appendix C.6. There the receiver averages the time
between packets, less the sender's pauses, and the sender counts packets in flight. Transport-wide feedback tells the
sender both, so it does it all here. One thing differs: Salsify's 100 ms hold everything in flight, which would leave
half of a link with a round trip of 200 ms unused. Here the path without queue is allowed for on top: the 100 ms bound
the queue (and what waits for the next report).
"""

from __future__ import annotations

from collections.abc import Sequence

from grace_transport.congestion.history import Arrived, SentHistory, arrived_in_order
from grace_transport.congestion.rtt import RoundTrip
from grace_transport.types import Feedback, PacketSent, ProbeCluster, RateTarget

SMOOTHING = 0.1  # about the last ten packets (alpha of the paper)
TARGET_DELAY_US = 100_000  # d of the paper
PACKET_BYTES = 1_200  # a full packet on the wire, until our own show their size
PAUSE_US = 5_000  # the sender rested: longer gaps than this are not the network's (the paper's grace period)
PACING_FACTOR = 20  # frames leave as bursts: their spacing on arrival is the measurement


class Salsify:
    """A `CongestionController` that answers per frame; its target bitrate is what the link seems to carry."""

    def __init__(self, *, start_bps: int, min_bps: int, max_bps: int) -> None:
        if not 0 < min_bps <= max_bps:
            raise ValueError(f"limits must be 0 < min_bps <= max_bps, not {min_bps} and {max_bps}")
        self.name = "salsify"
        self.loss_control = "none"
        self._min_bps, self._max_bps = min_bps, max_bps
        self._history = SentHistory()
        self._rtt = RoundTrip()
        self._packet_bytes = float(PACKET_BYTES)
        self._gap_us = PACKET_BYTES * 8_000_000 / min(max(start_bps, min_bps), max_bps)
        self._newest: Arrived | None = None

    @property
    def state(self) -> str:
        return "following"

    def on_packet_sent(self, packet: PacketSent) -> None:
        self._history.on_packet_sent(packet)
        self._rtt.on_packet_sent(packet.sent_us)

    def on_feedback(self, feedback: Feedback, now_us: int) -> None:
        arrived = arrived_in_order(self._history.on_feedback(feedback))
        self._rtt.on_arrived(arrived, now_us)
        self._average(arrived)

    def handle_timer(self, now_us: int) -> None:
        """Nothing here depends on time alone."""

    def get_timer(self) -> int | None:
        return None

    def target(self) -> RateTarget:
        rate_bps = int(self._packet_bytes * 8_000_000 / self._gap_us)
        rate_bps = min(max(rate_bps, self._min_bps), self._max_bps)
        return RateTarget(rate_bps, PACING_FACTOR * rate_bps)

    def probes_to_send(self, now_us: int) -> list[ProbeCluster]:
        return []

    def rtt_us(self) -> int:
        return self._rtt.smoothed_us

    def frame_bytes(self, fps: float, now_us: int) -> int:
        """Packets that drain in the target delay less those in flight, within the limits at this frame rate."""
        allowed_us = TARGET_DELAY_US + self._rtt.shortest_us
        packets = allowed_us / self._gap_us - self._history.in_flight_packets
        size_bytes = int(max(packets, 0) * self._packet_bytes)
        return min(max(size_bytes, int(self._min_bps / 8 / fps)), int(self._max_bps / 8 / fps))

    def _average(self, arrived: Sequence[Arrived]) -> None:
        fastest_us = self._packet_bytes * 8_000_000 / self._max_bps  # faster than ever wanted: keeps the gap positive
        for packet in arrived:
            newest = self._newest
            if newest is not None:
                if packet.sent_us < newest.sent_us:
                    continue  # reordered: its distance to the packet before says nothing
                self._gap_us += SMOOTHING * (_spacing_us(newest, packet) - self._gap_us)
                self._gap_us = min(max(self._gap_us, fastest_us), TARGET_DELAY_US * 10)
            self._packet_bytes += SMOOTHING * (packet.size_bytes - self._packet_bytes)
            self._newest = packet


def _spacing_us(before: Arrived, packet: Arrived) -> int:
    """Time between two arrivals, less the pause of the sender between them."""
    pause_us = packet.sent_us - before.sent_us
    spacing_us = packet.arrived_us - before.arrived_us
    return max(spacing_us - (pause_us if pause_us > PAUSE_US else 0), 0)
