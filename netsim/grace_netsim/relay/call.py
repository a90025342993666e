"""One call through the relay: a socket that faces the sender, and one that faces the receiver."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct

from grace_netsim.relay.datagram import MediaIds
from grace_netsim.relay.direction import InTransit
from grace_netsim.relay.latch import Address, Latch
from grace_netsim.relay.sdp import Description

_log = logging.getLogger(__name__)

SOCKET_BUFFER_BYTES = 4 << 20  # a second of 16 Mbit/s as the kernel counts, so that only the link drops packets
MAX_DATAGRAM_BYTES = 65_536
MAX_BATCH = 256
SO_RCVBUFFORCE, SO_TIMESTAMPNS, SO_RXQ_OVFL = 33, 35, 40  # Linux; Python has no names for them
ANCILLARY_BYTES = 64
MAX_WAIT_NS = 10_000_000_000  # nothing waits that long in a socket
_TIMESPEC = Struct("@qq")

# A datagram, and when the kernel had it (CLOCK_MONOTONIC microseconds).
Arrival = tuple[bytes, int]


@dataclass(slots=True)
class SideCounts:
    """Datagrams of one side of a call."""

    admitted: int = 0
    rejected: int = 0  # of strangers
    sent: int = 0
    overflowed: int = 0  # lost before this process got to them
    unsent: int = 0  # nobody known to send to, or the kernel would not take it


class Side:
    """The socket that faces one peer. `carry` puts what the peer sends, and when it came, into the link."""

    def __init__(
        self, latch: Latch, carry: Callable[[list[Arrival]], None], on_rejected: Callable[[bytes], None]
    ) -> None:
        self.latch = latch
        self.counts = SideCounts()
        self.address: Address = ("", 0)  # where the peer is told to send
        self._carry = carry
        self._on_rejected = on_rejected
        self._socket: socket.socket | None = None

    def open(self, host: str) -> None:
        """Bind to a free port of `host`. Raises OSError."""
        opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            _prepare(opened)
            opened.bind((host, 0))
        except OSError:
            opened.close()
            raise
        self._socket = opened
        self.address = opened.getsockname()[:2]
        asyncio.get_running_loop().add_reader(opened, self._read)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def transmit(self, data: bytes) -> None:
        """To the peer, wherever it is by now."""
        target = self.latch.target(data)
        if self._socket is None or target is None or (":" in target[0]) != (":" in self.address[0]):
            self.counts.unsent += 1
            return
        try:
            self._socket.sendto(data, target)
            self.counts.sent += 1
        except OSError as error:  # its buffer is full, or there is no route
            self.counts.unsent += 1
            _log.debug("relay socket %s to %s: %s", self.address, target, error)

    def _read(self) -> None:
        """Take what has come, at most MAX_BATCH datagrams, so that a flood does not keep the loop from its timers."""
        arrivals: list[Arrival] = []
        offset_ns = time.monotonic_ns() - time.time_ns()  # the kernel stamps datagrams with the time of day
        for _ in range(MAX_BATCH):
            if self._socket is None:
                break
            try:
                data, ancillary, _, source = self._socket.recvmsg(MAX_DATAGRAM_BYTES, ANCILLARY_BYTES)
            except OSError:  # nothing more
                break
            told = {kind: value for level, kind, value in ancillary if level == socket.SOL_SOCKET}
            if SO_RXQ_OVFL in told:
                self.counts.overflowed = int.from_bytes(told[SO_RXQ_OVFL], sys.byteorder)
            if self.latch.admit(data, source[:2]):
                self.counts.admitted += 1
                arrivals.append((data, _arrived_us(told, offset_ns)))
            else:
                self.counts.rejected += 1
                self._on_rejected(data)
        self._carry(arrivals)


def _prepare(opened: socket.socket) -> None:
    """Room for a second in which this process does not run, and, where the system can, when each datagram came."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        opened.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    for option, value in ((SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES), (SO_TIMESTAMPNS, 1), (SO_RXQ_OVFL, 1)):
        with suppress(OSError):  # the first needs root, the others Linux
            opened.setsockopt(socket.SOL_SOCKET, option, value)


def _arrived_us(told: dict[int, bytes], offset_ns: int) -> int:
    """CLOCK_MONOTONIC microseconds at which the kernel had the datagram; now, where it does not say."""
    now_ns = time.monotonic_ns()
    stamp = told.get(SO_TIMESTAMPNS, b"")
    if len(stamp) == _TIMESPEC.size:
        seconds, nanoseconds = _TIMESPEC.unpack(stamp)
        arrived_ns = int(seconds * 1_000_000_000 + nanoseconds + offset_ns)
        if now_ns - MAX_WAIT_NS < arrived_ns <= now_ns:  # the time of day may be set meanwhile
            return arrived_ns // 1_000
    return now_ns // 1_000


# Called with the direction's name and datagrams to put into the link.
Carry = Callable[[str, list[InTransit]], None]


class RelayCall:
    """A session of the signalling, and its two sockets."""

    def __init__(
        self, session: str, offer: Description, carry: Carry, on_rejected: Callable[[bytes], None], now_us: int
    ) -> None:
        self.session = session
        self.opened_us = now_us
        self.closed = False
        self._carry = carry
        self._ids = MediaIds()
        self.sender = Side(Latch(offer.candidates), self._up, on_rejected)
        self.receiver = Side(Latch(passwords=offer.passwords), self._down, on_rejected)

    def open(self, sender_host: str, receiver_host: str) -> None:
        """Bind both sockets: one at the address that the sender can reach, one for the receiver. Raises OSError."""
        try:
            self.sender.open(sender_host)
            self.receiver.open(receiver_host)
        except OSError:
            self.close()
            raise

    def answered(self, answer: Description) -> None:
        """Take what the answer tells about both peers: candidates, passwords, media."""
        self.sender.latch.expect(passwords=answer.passwords)
        self.receiver.latch.expect(answer.candidates)
        self._ids = answer.media_ids

    def close(self) -> None:
        """Sockets are gone; what is still in the link goes nowhere."""
        self.closed = True
        self.sender.close()
        self.receiver.close()

    @property
    def admitted(self) -> int:
        """Datagrams of both peers so far."""
        return self.sender.counts.admitted + self.receiver.counts.admitted

    def _up(self, arrivals: list[Arrival]) -> None:
        onward, ids = self.receiver.transmit, self._ids
        self._carry("up", [InTransit(data, arrived_us, onward, ids) for data, arrived_us in arrivals])

    def _down(self, arrivals: list[Arrival]) -> None:
        onward, ids = self.sender.transmit, self._ids
        self._carry("down", [InTransit(data, arrived_us, onward, ids) for data, arrived_us in arrivals])
