"""The emulated link: queue, bottleneck, delay and stages, as a machine of five verbs that is seeded and has no clock.

receive_datagram -> queue -> service (trace | rates | rate) -> delay -> stages -> datagrams_to_send
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from random import Random
from typing import Generic

from grace_netsim.link.events import (
    LinkArrived,
    LinkDelivered,
    LinkDeparted,
    LinkDropped,
    LinkEvent,
    LinkOpportunity,
)
from grace_netsim.link.packet import OVERHEAD_BYTES, Datagram, Packet
from grace_netsim.link.queues import QUEUES, Queue
from grace_netsim.link.services import RateService, Service, TraceService, UnlimitedService
from grace_netsim.link.stages import Stage, StageConfig
from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES, OpportunityTrace
from grace_netsim.trace.rates import NEVER_US, RateSeries


class EventLevel(IntEnum):
    """The events that `next_event` gives. Counters are kept at every level."""

    NONE = 0  # fastest: for benchmarks and long runs
    PACKETS = 1  # arrivals, drops, departures, deliveries
    ALL = 2  # every delivery opportunity as well: what mahimahi's logs need; idle time is no longer skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """One direction of a path. At most one of `trace`, `rates` and `rate_bps`; none: no bottleneck.

    The paper's set-up (§5.1) is LinkConfig(rates=..., delay_us=100_000, queue_packets=25)."""

    trace: OpportunityTrace | None = None  # mahimahi's delivery opportunities
    rates: RateSeries | None = None  # the paper's token bucket
    rate_bps: int | None = None
    repeat: bool = True  # start trace or rates again at their end; else nothing leaves any more
    burst_bytes: int = 0  # what the bucket of `rates` or `rate_bps` saves up while idle
    delay_us: int = 0  # one way, after the bottleneck
    queue: str = "droptail"  # a key of QUEUES
    queue_packets: int | None = 25  # limits of the queue, without the packet in transit; None: no such limit
    queue_bytes: int | None = None  # charged bytes
    stages: tuple[StageConfig, ...] = ()
    seed: int = 0
    events: EventLevel = EventLevel.PACKETS

    def __post_init__(self) -> None:
        if sum(source is not None for source in (self.trace, self.rates, self.rate_bps)) > 1:
            raise ValueError("a link has one bottleneck: give only one of trace, rates and rate_bps")
        if self.rate_bps is not None and self.rate_bps <= 0:
            raise ValueError(f"rate_bps must be positive, not {self.rate_bps}")
        if self.queue not in QUEUES:
            raise ValueError(f"no queue is called {self.queue!r}: use one of {', '.join(QUEUES)}")
        for name in ("delay_us", "burst_bytes", "queue_packets", "queue_bytes"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative: {value}")
        if self.queue in ("droptail", "drophead") and self.queue_packets is None and self.queue_bytes is None:
            raise ValueError(
                f'{self.queue} needs queue_packets or queue_bytes; "infinite" is the queue without a limit'
            )


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Totals so far. Bytes are charged bytes; `dropped` counts by reason. Opportunities are of trace links only."""

    arrived: int
    departed: int
    delivered: int
    delivered_bytes: int
    dropped: dict[str, int]
    opportunities: int
    used_bytes: int
    wasted_bytes: int


class Link(Generic[Datagram]):
    """A `grace_transport.machine.Machine`: every datagram that it receives comes out again late, or not at all.

    It carries `bytes`, or any type with a length, which then keeps what its host knows about it. Departure times are
    exact however late the host calls; time must not go backwards."""

    def __init__(self, config: LinkConfig, *, start_us: int = 0) -> None:
        """`start_us` is the time 0 of the trace and the rates."""
        self._level = config.events
        self._delay_us = config.delay_us
        self._queue: Queue[Datagram] = QUEUES[config.queue](config.queue_packets, config.queue_bytes, self._drop)
        self._service = _build_service(config, self._queue, self._depart, self._opportunity, start_us)
        self._stages = _build_stages(config)
        self._events: deque[LinkEvent[Datagram]] = deque()
        # (due, order, datagram, charged bytes, arrival): the order keeps packets with the same due time in sequence
        self._outbox: list[tuple[int, int, Datagram, int, int]] = []
        self._order = 0
        self._arrived = 0
        self._departed = 0
        self._delivered = 0
        self._delivered_bytes = 0
        self._dropped: Counter[str] = Counter()

    # The five verbs

    def receive_datagram(self, data: Datagram, now_us: int) -> None:
        """One datagram enters. Above 1472 bytes it is dropped as "oversized": it would fit no opportunity."""
        service = self._service
        service.advance(now_us)  # what came up to now is used or wasted before this packet can be there
        size = len(data) + OVERHEAD_BYTES
        packet = (data, size, now_us)
        self._arrived += 1
        if self._level:
            self._events.append(LinkArrived(now_us, size))
        if size > OPPORTUNITY_BYTES:
            self._drop(packet, now_us, "oversized")
            return
        self._queue.enqueue(packet, now_us)
        service.wake(now_us)

    def handle_timer(self, now_us: int) -> None:
        """Serve everything that is due by now."""
        self._service.advance(now_us)

    def datagrams_to_send(self, now_us: int) -> list[Datagram]:
        """The datagrams that are due by now, in the order of their due times."""
        self._service.advance(now_us)
        outbox = self._outbox
        due: list[Datagram] = []
        while outbox and outbox[0][0] <= now_us:
            at_us, _, data, size, arrived_us = heappop(outbox)
            due.append(data)
            self._delivered_bytes += size
            if self._level:
                self._events.append(LinkDelivered(at_us, size, at_us - arrived_us))
        self._delivered += len(due)
        return due

    def get_timer(self) -> int | None:
        """When the next packet leaves the bottleneck or the link; None while it is empty."""
        at_us = self._service.next_us()
        if self._outbox and self._outbox[0][0] < at_us:
            at_us = self._outbox[0][0]
        return at_us if at_us < NEVER_US else None

    def next_event(self) -> LinkEvent[Datagram] | None:
        """The oldest event that was not told yet, or None."""
        return self._events.popleft() if self._events else None

    # For plots and tests

    @property
    def queued_packets(self) -> int:
        """Packets that wait in the queue, without the one in transit."""
        return len(self._queue.waiting)

    @property
    def queued_bytes(self) -> int:
        """Charged bytes of the packets that wait in the queue."""
        return self._queue.waiting_bytes

    @property
    def transit_bytes_left(self) -> int:
        """Charged bytes still to serve of the packet that has left the queue but not yet the bottleneck."""
        return self._service.transit_bytes_left

    def stats(self) -> LinkStats:
        """The totals so far."""
        opportunities, used_bytes = 0, 0
        if isinstance(self._service, TraceService):
            opportunities, used_bytes = self._service.opportunities, self._service.used_bytes
        return LinkStats(
            arrived=self._arrived,
            departed=self._departed,
            delivered=self._delivered,
            delivered_bytes=self._delivered_bytes,
            dropped=dict(self._dropped),
            opportunities=opportunities,
            used_bytes=used_bytes,
            wasted_bytes=opportunities * OPPORTUNITY_BYTES - used_bytes,
        )

    # Called by queue, service and stages

    def _depart(self, packet: Packet[Datagram], at_us: int) -> None:
        data, size, arrived_us = packet
        self._departed += 1
        if self._level:
            self._events.append(LinkDeparted(at_us, size, at_us - arrived_us))
        due_us = at_us + self._delay_us
        if not self._stages:
            self._order += 1
            heappush(self._outbox, (due_us, self._order, data, size, arrived_us))
            return
        passing = [(data, due_us)]
        for name, stage in self._stages:
            passing = [out for passed, stage_us in passing for out in stage.pass_on(passed, stage_us)]
            if not passing:  # all copies are gone; the loss of one of two is not a lost packet
                self._drop(packet, at_us, name)
                return
        for passed, out_us in passing:
            self._order += 1
            heappush(self._outbox, (out_us, self._order, passed, size, arrived_us))

    def _drop(self, packet: Packet[Datagram], at_us: int, reason: str) -> None:
        self._dropped[reason] += 1
        if self._level:
            self._events.append(LinkDropped(at_us, packet[1], reason, packet[0]))

    def _opportunity(self, at_us: int) -> None:
        self._events.append(LinkOpportunity(at_us))


def _build_service(
    config: LinkConfig,
    queue: Queue[Datagram],
    depart: Callable[[Packet[Datagram], int], None],
    opportunity: Callable[[int], None],
    start_us: int,
) -> Service:
    if config.trace is not None:
        return TraceService(
            config.trace,
            queue,
            depart,
            start_us=start_us,
            repeat=config.repeat,
            on_opportunity=opportunity if config.events is EventLevel.ALL else None,
        )
    if config.rate_bps is not None:
        rates = RateSeries((config.rate_bps,))
        return RateService(rates, queue, depart, start_us=start_us, burst_bytes=config.burst_bytes)
    if config.rates is not None:
        return RateService(
            config.rates, queue, depart, start_us=start_us, repeat=config.repeat, burst_bytes=config.burst_bytes
        )
    return UnlimitedService(queue, depart)


def _build_stages(config: LinkConfig) -> list[tuple[str, Stage]]:
    """Each stage's generator hangs on seed, name and how many of that name came before: adding one shifts no other."""
    seen: Counter[str] = Counter()
    stages: list[tuple[str, Stage]] = []
    for stage in config.stages:
        rng = Random(f"{config.seed}/{stage.name}/{seen[stage.name]}")
        seen[stage.name] += 1
        stages.append((stage.name, stage.build(rng)))
    return stages
