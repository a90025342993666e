"""What was sent and is not yet known to have arrived: turns feedback into packet results. Knows no rates.

Bounded by age and count; feedback that names packets nobody sent, or names them twice, changes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from grace_transport.types import Feedback, PacketSent

HISTORY_US = 60_000_000  # libwebrtc transport_feedback_adapter.cc, kSendTimeHistoryWindow
MAX_PACKETS = 1 << 16  # older ones could not be named on the wire anyway: the sequence number has 16 bits
ARRIVAL_LIMIT_US = 1 << 60  # the wire reaches 2^24 * 64 ms; anything beyond is nonsense and counts as lost


@dataclass(frozen=True, slots=True)
class PacketResult:
    """What a report said of one packet. `arrived_us` (receiver's clock) is None for a lost one."""

    seq: int
    sent_us: int
    size_bytes: int
    probe_cluster: int | None
    arrived_us: int | None
    was_lost: bool  # an earlier report had called it lost: it was only late


@dataclass(frozen=True, slots=True)
class Arrived:
    """A packet that is known to have arrived: sent in the sender's clock, arrived in the receiver's."""

    sent_us: int
    arrived_us: int
    size_bytes: int
    probe_cluster: int | None = None


class SentHistory:
    """Packets by unwrapped transport-wide sequence number, until a report says that they arrived."""

    def __init__(self) -> None:
        self._packets: dict[int, PacketSent] = {}
        self._order: deque[PacketSent] = deque()  # for forgetting: oldest first, acknowledged ones too
        self._lost: set[int] = set()
        self._in_flight: deque[PacketSent] = deque()
        self._in_flight_bytes = 0
        self._highest_reported = -1

    @property
    def in_flight_bytes(self) -> int:
        """Sent after everything that a report has spoken of."""
        return self._in_flight_bytes

    @property
    def in_flight_packets(self) -> int:
        return len(self._in_flight)

    def on_packet_sent(self, packet: PacketSent) -> None:
        self._packets[packet.seq] = packet
        self._order.append(packet)
        self._in_flight.append(packet)
        self._in_flight_bytes += packet.size_bytes
        while len(self._order) > MAX_PACKETS or self._order[0].sent_us < packet.sent_us - HISTORY_US:
            self._forget(self._order.popleft())

    def on_feedback(self, feedback: Feedback) -> list[PacketResult]:
        """One result per packet that this report tells something new about, in the report's order.

        Packets between two reports that no report names (the report itself was lost) stay unknown, as in libwebrtc:
        loss on the way back is not loss of ours."""
        results = []
        for seq, reported_us in feedback.arrivals:
            packet = self._packets.get(seq)
            if packet is None:
                continue
            was_lost = seq in self._lost
            arrived_us = reported_us if reported_us is None or abs(reported_us) < ARRIVAL_LIMIT_US else None
            if arrived_us is not None:
                del self._packets[seq]
                self._lost.discard(seq)
            elif was_lost:
                continue
            else:
                self._lost.add(seq)
            self._highest_reported = max(self._highest_reported, seq)
            results.append(
                PacketResult(seq, packet.sent_us, packet.size_bytes, packet.probe_cluster, arrived_us, was_lost)
            )
        self._land()
        return results

    def _land(self) -> None:
        """Reported packets, and those before them, are no longer in flight."""
        while self._in_flight and self._in_flight[0].seq <= self._highest_reported:
            self._in_flight_bytes -= self._in_flight.popleft().size_bytes

    def _forget(self, packet: PacketSent) -> None:
        if self._packets.get(packet.seq) is packet:
            del self._packets[packet.seq]
            self._lost.discard(packet.seq)
        if self._in_flight and self._in_flight[0] is packet:
            self._in_flight.popleft()
            self._in_flight_bytes -= packet.size_bytes


def arrived_in_order(results: list[PacketResult]) -> list[Arrived]:
    """The packets that arrived, in order of arrival (RFC-draft GCC and libwebrtc process them so)."""
    arrived = [
        Arrived(r.sent_us, r.arrived_us, r.size_bytes, r.probe_cluster) for r in results if r.arrived_us is not None
    ]
    arrived.sort(key=lambda packet: (packet.arrived_us, packet.sent_us))
    return arrived
