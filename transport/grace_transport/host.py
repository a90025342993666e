"""Host: drives one machine on one clock, live or in virtual time. No other code tells a machine what time it is.

Owns draining and timers; refuses to know what the machine does or where the datagrams go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from grace_transport.machine import Machine

Event = TypeVar("Event")
Datagram = TypeVar("Datagram")


class TimerHandle(Protocol):
    """A timer that was set, as `asyncio.TimerHandle`."""

    def cancel(self) -> None:
        """The callback will not be called. Does nothing if it was called already."""
        ...


class Clock(Protocol):
    """The time and its timers: `AsyncioClock` live, `VirtualClock` in the lab."""

    def now_us(self) -> int:
        """Microseconds since some origin; never goes backwards."""
        ...

    def call_at(self, at_us: int, callback: Callable[[], None]) -> TimerHandle:
        """Call back once, not before `at_us`; a time in the past means as soon as possible."""
        ...


class Host(Generic[Event, Datagram]):
    """Couples a machine to a clock, a `transmit` for its datagrams and an `on_event` for its events.

    Every mutation is followed by a complete drain. `transmit` and `on_event` may mutate the machine again, through this
    host: the drain in progress then goes on until nothing is left.
    """

    def __init__(
        self,
        machine: Machine[Event, Datagram],
        clock: Clock,
        transmit: Callable[[Datagram], None],
        on_event: Callable[[Event], None],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._transmit = transmit
        self._on_event = on_event
        self._timer: TimerHandle | None = None
        self._timer_us: int | None = None
        self._draining = False
        self._again = False
        self._closed = False

    def receive(self, data: Datagram) -> None:
        """Give the machine a datagram from the network, and drain. Nothing happens once the host is closed."""
        if self._closed:
            return
        self._machine.receive_datagram(data, self._clock.now_us())
        self.drain()

    def mutate(self, change: Callable[[int], None]) -> None:
        """Run `change(now_us)` and drain: how a driver tells its machine that something happened.

        `change` calls methods of the machine that this host drives. Nothing happens once the host is closed."""
        if self._closed:
            return
        change(self._clock.now_us())
        self.drain()

    def close(self) -> None:
        """Stop: the timer is cancelled, and later calls do nothing. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drain(self) -> None:
        """Send and tell all that the machine has, then set the timer that it wants."""
        if self._draining:
            self._again = True
            return
        self._draining = True
        try:
            self._drain_all()
        finally:
            self._draining = False
        self._arm()

    def _drain_all(self) -> None:
        machine, busy = self._machine, True
        while busy and not self._closed:
            self._again = False
            for datagram in machine.datagrams_to_send(self._clock.now_us()):
                self._transmit(datagram)
            while (event := machine.next_event()) is not None:
                self._again = True
                self._on_event(event)
            busy = self._again

    def _arm(self) -> None:
        wanted = None if self._closed else self._machine.get_timer()
        if wanted == self._timer_us and (wanted is None or self._timer is not None):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_us = wanted
        self._timer = None if wanted is None else self._clock.call_at(wanted, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_us = None
        self._machine.handle_timer(self._clock.now_us())
        self.drain()
