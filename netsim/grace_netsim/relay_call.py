"""One call through the relay: a socket that faces the sender, one that faces the receiver, the link between them.

Owns the sockets. Refuses to know signalling: it is told who may send."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

from grace_netsim.relay_datagram import MediaIds
from grace_netsim.relay_direction import InTransit
from grace_netsim.relay_latch import Address, Latch
from grace_netsim.relay_sdp import Description

_log = logging.getLogger(__name__)

SOCKET_BUFFER_BYTES = 1 << 20  # a second of 8 Mbit/s: the link is what drops packets, not the kernel
MAX_DATAGRAM_BYTES = 65_536
MAX_BATCH = 64


@dataclass(slots=True)
class SideCounts:
    """Datagrams of one side of a call."""

    admitted: int = 0
    rejected: int = 0  # of strangers
    sent: int = 0
    unsent: int = 0  # nobody known to send to, or the kernel would not take it


class Side:
    """The socket that faces one peer. `carry` puts what the peer sends into the link."""

    def __init__(self, latch: Latch, carry: Callable[[bytes], None], on_rejected: Callable[[bytes], None]) -> None:
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
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                opened.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
            opened.bind((host, 0))
        except OSError:
            opened.close()
            raise
        self._socket = opened
        self.address = opened.getsockname()[:2]
        asyncio.get_running_loop().add_reader(opened, self._read)

    def close(self) -> None:
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
        """What has come; a flood does not keep the loop from its timers."""
        for _ in range(MAX_BATCH):
            if self._socket is None:  # closed by what came before
                return
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except OSError:  # nothing more
                return
            self._received(data, source[:2])

    def _received(self, data: bytes, source: Address) -> None:
        if self.latch.admit(data, source):
            self.counts.admitted += 1
            self._carry(data)
        else:
            self.counts.rejected += 1
            self._on_rejected(data)


# Called with the direction's name and a datagram to put into the link.
Carry = Callable[[str, InTransit], None]


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
        return self.sender.counts.admitted + self.receiver.counts.admitted

    def _up(self, data: bytes) -> None:
        self._carry("up", InTransit(data, self.receiver.transmit, self._ids))

    def _down(self, data: bytes) -> None:
        self._carry("down", InTransit(data, self.sender.transmit, self._ids))
