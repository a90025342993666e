"""One direction of the emulated path, shared by all calls: the lab's own link on a live clock.

Until the first media packet a call is set up over the link's delay and loss alone; with it the link proper begins, at
its time 0, so that trace, outages and loss fall on the same packets in every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grace_netsim.link.events import LinkDropped, LinkEvent
from grace_netsim.link.link import Link, LinkConfig, LinkStats
from grace_netsim.link.stages import Outage
from grace_netsim.relay.datagram import MediaIds
from grace_transport.host import Clock, Host, TimerHandle


@dataclass(frozen=True, slots=True)
class InTransit:
    """A datagram on its way through the link. `arrived_us`: when it came, on the relay's clock; `onward` sends it on.

    `ids` are those of its call, to name it in the log."""

    data: bytes
    arrived_us: int
    onward: Callable[[bytes], None]
    ids: MediaIds

    def __len__(self) -> int:
        return len(self.data)


OnDropped = Callable[[InTransit, str, int], None]
"""Called with the datagram, the reason, and the time on the relay's clock."""


class ShiftedClock:
    """A clock whose time 0 is `origin_us` of another. `told_us` is the latest time that anyone was told."""

    def __init__(self, clock: Clock, origin_us: int) -> None:
        self._clock = clock
        self.origin_us = origin_us
        self.told_us = 0

    def now_us(self) -> int:
        """Microseconds since the origin; never goes backwards."""
        self.told_us = max(self.told_us, self._clock.now_us() - self.origin_us)
        return self.told_us

    def call_at(self, at_us: int, callback: Callable[[], None]) -> TimerHandle:
        """Call back once, not before `at_us` of this clock."""
        return self._clock.call_at(at_us + self.origin_us, callback)


class _Way:
    """A link on its own clock. Datagrams enter at the times they came, however late the process gets to them."""

    def __init__(self, config: LinkConfig, clock: Clock, origin_us: int, on_dropped: OnDropped) -> None:
        self._clock = ShiftedClock(clock, origin_us)
        self._on_dropped = on_dropped
        self.link: Link[InTransit] = Link(config)
        self.host: Host[LinkEvent[InTransit], InTransit] = Host(
            self.link, self._clock, transmit=_go_on, on_event=self._on_event
        )

    def carry(self, batch: Sequence[InTransit]) -> None:
        at_us = self._clock.told_us  # the link has been there: it takes nothing from before
        entries: list[tuple[InTransit, int]] = []
        for datagram in batch:
            at_us = max(at_us, datagram.arrived_us - self._clock.origin_us)
            entries.append((datagram, at_us))

        def enter(now_us: int) -> None:
            for datagram, at_us in entries:
                self.link.receive_datagram(datagram, min(at_us, now_us))

        self.host.mutate(enter)

    def _on_event(self, event: LinkEvent[InTransit]) -> None:
        if isinstance(event, LinkDropped):
            self._on_dropped(event.datagram, event.reason, event.at_us + self._clock.origin_us)


class Direction:
    """`carry` takes datagrams in; each leaves by its own `onward`, later or never."""

    def __init__(self, config: LinkConfig, clock: Clock, on_dropped: OnDropped) -> None:
        self._config = config
        self._clock = clock
        self._on_dropped = on_dropped
        self.started_us: int | None = None  # the link's time 0 on the clock
        self._setup = self._way = _Way(_without_bottleneck(config), clock, clock.now_us(), on_dropped)

    def start(self, at_us: int) -> None:
        """Time 0 of trace, outages and random numbers is `at_us`, not later than now. What is under way arrives as it
        would have."""
        if self.started_us is None:
            self.started_us = at_us
            self._way = _Way(self._config, self._clock, at_us, self._on_dropped)

    def carry(self, batch: Sequence[InTransit]) -> None:
        """Datagrams in the order in which they came, each not later than now."""
        if batch:
            self._way.carry(batch)

    def close(self) -> None:
        """Stop; datagrams that are under way are lost."""
        self._setup.host.close()
        self._way.host.close()

    @property
    def queued_packets(self) -> int:
        """Packets that wait in the queue."""
        return self._way.link.queued_packets

    @property
    def queued_bytes(self) -> int:
        """Charged bytes that wait in the queue."""
        return self._way.link.queued_bytes

    def stats(self) -> LinkStats:
        """Since time 0; before it, of the way that calls are set up on."""
        return self._way.link.stats()


def _go_on(datagram: InTransit) -> None:
    datagram.onward(datagram.data)


def _without_bottleneck(config: LinkConfig) -> LinkConfig:
    """Delay and loss as they will be, nothing that hangs on the link's time."""
    stages = tuple(stage for stage in config.stages if not isinstance(stage, Outage))
    unlimited = replace(config, trace=None, rates=None, rate_bps=None, queue="infinite", queue_packets=None)
    return replace(unlimited, queue_bytes=None, stages=stages)
