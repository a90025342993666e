"""Host: the only code that knows the time. Drives one machine on one clock, live or in virtual time.

Owns draining and timers; refuses to know what the machine does or where the datagrams go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from grace_transport.machine import Machine

M = TypeVar("M", bound=Machine)


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """`VirtualClock` (lab) and `AsyncioClock` (live)."""

    def now_us(self) -> int: ...

    def call_at(self, at_us: int, callback: Callable[[], None]) -> TimerHandle: ...


class Host(Generic[M]):
    """Couples a machine to a clock, a `transmit` for its datagrams and an `on_event` for its events.

    Every mutation is followed by a complete drain. `transmit` and `on_event` may mutate the machine again
    (through this host): the drain in progress then goes on until nothing is left.
    """

    def __init__(
        self, machine: M, clock: Clock, transmit: Callable[[bytes], None], on_event: Callable[[object], None]
    ) -> None:
        self.machine = machine
        self._clock = clock
        self._transmit = transmit
        self._on_event = on_event
        self._timer: TimerHandle | None = None
        self._timer_us: int | None = None
        self._draining = False
        self._again = False
        self._closed = False

    def receive(self, data: bytes) -> None:
        if self._closed:
            return
        self.machine.receive_datagram(data, self._clock.now_us())
        self.drain()

    def mutate(self, change: Callable[[M, int], None]) -> None:
        """Run `change(machine, now_us)` and drain: how a driver tells the machine that something happened."""
        if self._closed:
            return
        change(self.machine, self._clock.now_us())
        self.drain()

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drain(self) -> None:
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
        machine, busy = self.machine, True
        while busy and not self._closed:
            self._again = False
            for datagram in machine.datagrams_to_send(self._clock.now_us()):
                self._transmit(datagram)
            while (event := machine.next_event()) is not None:
                self._again = True
                self._on_event(event)
            busy = self._again

    def _arm(self) -> None:
        wanted = None if self._closed else self.machine.get_timer()
        if wanted == self._timer_us and (wanted is None or self._timer is not None):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_us = wanted
        self._timer = None if wanted is None else self._clock.call_at(wanted, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_us = None
        self.machine.handle_timer(self._clock.now_us())
        self.drain()
