"""The machine contract (sans-IO): five verbs, time as an argument. Owns no clock, socket, thread or randomness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DatagramRejected:
    """Bytes from the peer that were dropped, and why. The only trace that hostile input leaves."""

    at_us: int
    reason: str
    size_bytes: int


class Machine(Protocol):
    """Sender session, receiver session and link all have these verbs, as aioquic's connection does.

    After every mutation the host drains `datagrams_to_send` and `next_event` completely."""

    def receive_datagram(self, data: bytes, now_us: int) -> None: ...

    def handle_timer(self, now_us: int) -> None: ...

    def datagrams_to_send(self, now_us: int) -> list[bytes]: ...

    def get_timer(self) -> int | None:
        """The time of the next wanted `handle_timer`, in microseconds, or None."""
        ...

    def next_event(self) -> object | None: ...
