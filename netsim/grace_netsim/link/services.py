"""How the bottleneck serves its queue: by the opportunities of a trace, at a rate in steps, or at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol

from grace_netsim.link.packet import Datagram, Packet
from grace_netsim.link.queues import Queue
from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES, OpportunityTrace
from grace_netsim.trace.rates import NEVER_US, RateSeries, ServiceCurve

MICROBITS_PER_BYTE = 8_000_000  # a microbit is 1 bit/s for 1 µs

OnDeparture = Callable[[Packet[Datagram], int], None]
"""Called with a packet that has left the bottleneck, and the time in microseconds."""


class Service(Protocol):
    """Takes packets from its queue and lets each depart at its exact time, however late `advance` is called."""

    transit_bytes_left: int  # of a packet that has left the queue but not yet the link

    def advance(self, now_us: int) -> None:
        """Serve everything up to and including `now_us`."""
        ...

    def wake(self, now_us: int) -> None:
        """A packet was enqueued: begin with it if the link is idle."""
        ...

    def next_us(self) -> int:
        """When `advance` will have something to do; NEVER_US while idle."""
        ...


class TraceService(Generic[Datagram]):
    """mahimahi's mm-link: a packet uses opportunities from its head on, may span several, and leaves at its last one.

    What is left of an opportunity when the queue empties is wasted, and so is every opportunity while idle."""

    def __init__(
        self,
        trace: OpportunityTrace,
        queue: Queue[Datagram],
        depart: OnDeparture[Datagram],
        *,
        start_us: int = 0,
        repeat: bool = True,
        on_opportunity: Callable[[int], None] | None = None,
    ) -> None:
        self._trace = trace
        self._offsets_us = tuple(time_ms * 1_000 for time_ms in trace.times_ms)
        self._queue = queue
        self._depart = depart
        self._on_opportunity = on_opportunity
        self._start_us = start_us
        self._end_index = NEVER_US if repeat else len(trace.times_ms)
        self._transit: Packet[Datagram] | None = None
        self.transit_bytes_left = 0
        self.opportunities = 0  # so far; also the index of the next one
        self.used_bytes = 0
        self._next_us = start_us + trace.time_us(0)

    def advance(self, now_us: int) -> None:
        waiting = self._queue.waiting
        while self._next_us <= now_us:
            if self.transit_bytes_left or waiting:
                self._use(self._next_us)
                self._step()
            elif self._on_opportunity is None:
                self._skip(now_us)
            else:
                self._on_opportunity(self._next_us)
                self._step()

    def wake(self, now_us: int) -> None:
        """Nothing to do: only an opportunity yet to come can serve the packet."""

    def next_us(self) -> int:
        return self._next_us if self.transit_bytes_left or self._queue.waiting else NEVER_US

    def _use(self, at_us: int) -> None:
        if self._on_opportunity is not None:
            self._on_opportunity(at_us)
        room = OPPORTUNITY_BYTES
        left = self.transit_bytes_left
        while room:
            if not left:
                packet = self._queue.dequeue(at_us)
                if packet is None:
                    break
                self._transit = packet
                left = packet[1]
            if left > room:
                left -= room
                room = 0
            else:
                room -= left
                left = 0
                assert self._transit is not None
                self._depart(self._transit, at_us)
        self.transit_bytes_left = left
        self.used_bytes += OPPORTUNITY_BYTES - room

    def _step(self) -> None:
        index = self.opportunities + 1
        self.opportunities = index
        if index >= self._end_index:
            self._next_us = NEVER_US
            return
        rounds, position = divmod(index, len(self._offsets_us))
        self._next_us = self._start_us + rounds * self._offsets_us[-1] + self._offsets_us[position]

    def _skip(self, now_us: int) -> None:
        """Waste every opportunity up to now by arithmetic: idle hours cost as much as idle milliseconds."""
        self.opportunities = min(self._trace.count_until(now_us - self._start_us), self._end_index) - 1
        self._step()


class RateService(Generic[Datagram]):
    """A token bucket over a rate in steps: a packet leaves once the bucket has earned its charged bytes.

    `burst_bytes` is what an idle bucket may save up; with 0 it is a plain serial line at that rate."""

    def __init__(
        self,
        rates: RateSeries,
        queue: Queue[Datagram],
        depart: OnDeparture[Datagram],
        *,
        start_us: int = 0,
        repeat: bool = True,
        burst_bytes: int = 0,
    ) -> None:
        self._curve = ServiceCurve(rates, repeat=repeat)
        self._queue = queue
        self._depart = depart
        self._start_us = start_us
        self._burst = burst_bytes * MICROBITS_PER_BYTE
        self._spent = 0  # microbits of the curve used up, or lost by a full bucket
        self._transit: Packet[Datagram] | None = None
        self.transit_bytes_left = 0
        self._leaves_us = NEVER_US

    def advance(self, now_us: int) -> None:
        while self._leaves_us <= now_us:
            at_us = self._leaves_us
            self._leaves_us = NEVER_US
            self.transit_bytes_left = 0
            assert self._transit is not None
            self._depart(self._transit, at_us)
            self.wake(at_us)

    def wake(self, now_us: int) -> None:
        if self.transit_bytes_left:
            return
        packet = self._queue.dequeue(now_us)
        if packet is None:
            return
        saved = self._curve.offered(now_us - self._start_us) - self._burst
        self._spent = max(self._spent, saved)
        self._spent += packet[1] * MICROBITS_PER_BYTE
        self._transit = packet
        self.transit_bytes_left = packet[1]
        self._leaves_us = max(now_us, self._start_us + self._curve.reached_us(self._spent))

    def next_us(self) -> int:
        return self._leaves_us


class UnlimitedService(Generic[Datagram]):
    """No bottleneck: a packet departs the moment it arrives."""

    def __init__(self, queue: Queue[Datagram], depart: OnDeparture[Datagram]) -> None:
        self._queue = queue
        self._depart = depart
        self.transit_bytes_left = 0

    def advance(self, now_us: int) -> None:
        """Nothing ever waits."""

    def wake(self, now_us: int) -> None:
        while (packet := self._queue.dequeue(now_us)) is not None:
            self._depart(packet, now_us)

    def next_us(self) -> int:
        return NEVER_US
