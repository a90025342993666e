"""The relay's lines in the log of a call (docs/demo.md): packets, drops, and the state of the link."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from grace_netsim.relay.datagram import label_of
from grace_netsim.relay.direction import Direction, InTransit
from grace_netsim.trace.rates import RateSeries
from grace_transport.event_log import EventLog, Fact

NETSIM: Final = "netsim"
MAX_REJECTED_LINES = 100  # a stranger must not fill the disk


class RelayLog:
    """Writes to an event log, or nowhere where there is none."""

    def __init__(self, log: EventLog | None, capacity: RateSeries | None = None) -> None:
        self._log = log
        self._capacity = capacity
        self._rejected = 0

    def emit(self, at_us: int, name: str, **facts: Fact) -> None:
        """Write one event."""
        if self._log is not None:
            self._log.emit(at_us, name, **facts)

    def relayed(self, direction: str, batch: Iterable[InTransit]) -> None:
        """Log the datagrams that came to the queue."""
        for datagram in batch if self._log is not None else ():
            label = label_of(datagram.data, datagram.ids)
            numbers = {"seq": label.seq, "rtp_timestamp": label.rtp_timestamp}
            known: dict[str, Fact] = {name: number for name, number in numbers.items() if number is not None}
            facts: dict[str, Fact] = {"direction": direction, "kind": label.kind, "bytes": len(datagram)}
            self.emit(datagram.arrived_us, "packet_relayed", **facts, **known)

    def dropped(self, direction: str, datagram: InTransit, reason: str, at_us: int) -> None:
        """Log a datagram that the link lost."""
        if self._log is None:
            return
        label = label_of(datagram.data, datagram.ids)
        seq = -1 if label.seq is None else label.seq
        self._log.emit(
            at_us, "packet_dropped",
            seq=seq, reason=reason, direction=direction, kind=label.kind, bytes=len(datagram),
        )  # fmt: skip

    def rejected(self, at_us: int, size_bytes: int) -> None:
        """A datagram of a stranger; only the first hundred are written down."""
        self._rejected += 1
        if self._rejected <= MAX_REJECTED_LINES:
            self.emit(at_us, "datagram_rejected", by=NETSIM, reason="unknown source", bytes=size_bytes)

    def sample(self, at_us: int, up: Direction) -> None:
        """The state of the way up; nothing before its time 0."""
        if self._log is None or up.started_us is None:
            return
        if self._capacity is not None:
            self._log.emit(at_us, "link_capacity", bps=self._capacity.rate_at(at_us - up.started_us))
        self._log.emit(at_us, "link_queue", packets=up.queued_packets, bytes=up.queued_bytes)
