"""Queues of the bottleneck: they hold the packets that wait for service, and drop some. Sizes are charged bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import sqrt
from types import MappingProxyType
from typing import Generic, Protocol

from grace_netsim.link.packet import Datagram, OnDrop, Packet
from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES

NO_LIMIT = 1 << 62


class Queue(Protocol[Datagram]):
    """`waiting` holds the packets, `waiting_bytes` their total size. The packet in transit has left the queue."""

    waiting: deque[Packet[Datagram]]
    waiting_bytes: int

    def enqueue(self, packet: Packet[Datagram], now_us: int) -> None:
        """Take the packet, or drop it or others to stay within the limits."""
        ...

    def dequeue(self, now_us: int) -> Packet[Datagram] | None:
        """The next packet to serve, or None if there is none (any more)."""
        ...


class Fifo(Generic[Datagram]):
    """First in, first out. Subclasses say which packets are dropped."""

    def __init__(self, packets: int | None, bytes_: int | None, on_drop: OnDrop[Datagram]) -> None:
        """Limits of the queue, either of which may be None; `on_drop` gets every dropped packet."""
        self.waiting: deque[Packet[Datagram]] = deque()
        self.waiting_bytes = 0
        self._max_packets = NO_LIMIT if packets is None else packets
        self._max_bytes = NO_LIMIT if bytes_ is None else bytes_
        self._on_drop = on_drop

    def dequeue(self, now_us: int) -> Packet[Datagram] | None:
        """The oldest packet, or None if the queue is empty."""
        if not self.waiting:
            return None
        packet = self.waiting.popleft()
        self.waiting_bytes -= packet[1]
        return packet


class Infinite(Fifo[Datagram]):
    """Never drops, whatever its limits."""

    def enqueue(self, packet: Packet[Datagram], now_us: int) -> None:
        """Take the packet."""
        self.waiting.append(packet)
        self.waiting_bytes += packet[1]


class DropTail(Fifo[Datagram]):
    """Drops an arrival that would break a limit."""

    def enqueue(self, packet: Packet[Datagram], now_us: int) -> None:
        """Take or drop the packet."""
        after = self.waiting_bytes + packet[1]
        if len(self.waiting) >= self._max_packets or after > self._max_bytes:
            self._on_drop(packet, now_us, "droptail")
            return
        self.waiting.append(packet)
        self.waiting_bytes = after


class DropHead(Fifo[Datagram]):
    """Takes every arrival, then drops the oldest packets until the limits hold."""

    def enqueue(self, packet: Packet[Datagram], now_us: int) -> None:
        """Take the packet, and make room for it."""
        self.waiting.append(packet)
        self.waiting_bytes += packet[1]
        while len(self.waiting) > self._max_packets or self.waiting_bytes > self._max_bytes:
            oldest = self.waiting.popleft()
            self.waiting_bytes -= oldest[1]
            self._on_drop(oldest, now_us, "drophead")


class CoDel(Generic[Datagram]):
    """Controlled delay (RFC 8289): drops at the front once the sojourn time has stayed above 5 ms for 100 ms.

    While it goes on dropping, the interval to the next drop shrinks with the square root of the number of drops, which
    makes the rate of a TCP-like sender fall linearly. Its limits are those of drop-tail. Names are those of RFC §5."""

    TARGET_US = 5_000  # RFC 8289 §4.3
    INTERVAL_US = 100_000  # RFC 8289 §4.4

    def __init__(self, packets: int | None, bytes_: int | None, on_drop: OnDrop[Datagram]) -> None:
        self._tail = DropTail(packets, bytes_, on_drop)
        self.waiting = self._tail.waiting
        self.waiting_bytes = 0
        self._on_drop = on_drop
        self._first_above_us = 0  # when the sojourn time will have been above target for an interval; 0: it is below
        self._drop_next_us = 0
        self._count = 0
        self._last_count = 0
        self._dropping = False

    def enqueue(self, packet: Packet[Datagram], now_us: int) -> None:
        self._tail.enqueue(packet, now_us)
        self.waiting_bytes = self._tail.waiting_bytes

    def dequeue(self, now_us: int) -> Packet[Datagram] | None:
        packet, ok_to_drop = self._take(now_us)
        if self._dropping:
            if not ok_to_drop:
                self._dropping = False
            while packet is not None and self._dropping and now_us >= self._drop_next_us:
                self._on_drop(packet, now_us, "codel")
                self._count += 1
                packet, ok_to_drop = self._take(now_us)
                if ok_to_drop:
                    self._drop_next_us = self._control_law(self._drop_next_us)
                else:
                    self._dropping = False
        elif packet is not None and ok_to_drop:
            self._on_drop(packet, now_us, "codel")
            packet, _ = self._take(now_us)
            self._start_dropping(now_us)
        self.waiting_bytes = self._tail.waiting_bytes
        return packet

    def _start_dropping(self, now_us: int) -> None:
        """Resume near the old drop rate if the last dropping state is recent: it controlled the queue then (§5.5)."""
        self._dropping = True
        delta = self._count - self._last_count
        recent = now_us - self._drop_next_us < 16 * self.INTERVAL_US
        self._count = delta if delta > 1 and recent else 1
        self._drop_next_us = self._control_law(now_us)
        self._last_count = self._count

    def _take(self, now_us: int) -> tuple[Packet[Datagram] | None, bool]:
        """The head, and whether the sojourn time has been above target for at least an interval (§5.4)."""
        packet = self._tail.dequeue(now_us)
        if packet is None:
            self._first_above_us = 0
            return None, False
        sojourn_us = now_us - packet[2]
        if sojourn_us < self.TARGET_US or self._tail.waiting_bytes <= OPPORTUNITY_BYTES:
            self._first_above_us = 0
            return packet, False
        if self._first_above_us == 0:
            self._first_above_us = now_us + self.INTERVAL_US
            return packet, False
        return packet, now_us >= self._first_above_us

    def _control_law(self, from_us: int) -> int:
        return from_us + round(self.INTERVAL_US / sqrt(self._count))


class QueueFactory(Protocol):
    """Makes a queue with a limit on packets and one on charged bytes, either of which may be None."""

    def __call__(self, packets: int | None, bytes_: int | None, on_drop: OnDrop[Datagram], /) -> Queue[Datagram]: ...


QUEUES: Mapping[str, QueueFactory] = MappingProxyType(
    {"droptail": DropTail, "drophead": DropHead, "codel": CoDel, "infinite": Infinite}
)
