"""The machine contract (sans-IO): five verbs with the time as an argument.

A machine owns no clock, socket, thread or unseeded randomness. All that it does follows from the calls it got, so the
same machine runs live and in virtual time (`grace_transport.host.Host` drives it), and its tests need no sleep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

Event_co = TypeVar("Event_co", covariant=True)
"""The union of a machine's events."""

Datagram = TypeVar("Datagram")
"""The type of datagrams that a machine takes in and gives out: `bytes`, or one that carries facts about them."""


@dataclass(frozen=True, slots=True)
class DatagramRejected:
    """An event: bytes from the peer were dropped, for this reason. Hostile input leaves no other trace."""

    at_us: int
    reason: str
    size_bytes: int


class Machine(Protocol[Event_co, Datagram]):
    """The sender session, the receiver session and the emulated link have these verbs, as aioquic's connection does.

    All times are microseconds of one clock, the caller's; they never go backwards. After every call that may change the
    machine the caller drains `datagrams_to_send` and `next_event` completely."""

    def receive_datagram(self, data: Datagram, now_us: int) -> None:
        """One datagram came from the network. Never raises: bytes that are not valid become a `DatagramRejected`."""
        ...

    def handle_timer(self, now_us: int) -> None:
        """The time that `get_timer` named has come, or has passed."""
        ...

    def datagrams_to_send(self, now_us: int) -> list[Datagram]:
        """The datagrams that are to leave now, in order. Each is handed out once."""
        ...

    def get_timer(self) -> int | None:
        """When `handle_timer` is to be called next; None while nothing is planned."""
        ...

    def next_event(self) -> Event_co | None:
        """The oldest event that was not told yet, or None."""
        ...
