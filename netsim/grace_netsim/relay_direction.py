"""One direction of the emulated path, shared by all calls: the lab's own link on a live clock.

Until the first media packet a call is set up over the link's delay and loss alone; with it the link proper begins, at
its time 0, so that trace, outages and loss fall on the same packets in every run. Refuses to know sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from grace_netsim.link import Link, LinkConfig, LinkStats
from grace_netsim.link_events import LinkDropped
from grace_netsim.relay_datagram import MediaIds, kind_of
from grace_netsim.stages import Outage
from grace_transport.host import Clock, Host, TimerHandle


class InTransit(bytes):
    """A datagram on its way through the link. It knows where it goes when it comes out."""

    onward: Callable[[bytes], None]
    ids: MediaIds

    def __new__(cls, data: bytes, onward: Callable[[bytes], None], ids: MediaIds) -> InTransit:
        datagram = super().__new__(cls, data)
        datagram.onward = onward
        datagram.ids = ids
        return datagram


# Called with the datagram, the reason, and the time on the relay's clock.
OnDropped = Callable[[InTransit, str, int], None]


class ShiftedClock:
    """A clock whose time 0 is `origin_us` of another."""

    def __init__(self, clock: Clock, origin_us: int) -> None:
        self._clock = clock
        self._origin_us = origin_us

    def now_us(self) -> int:
        return self._clock.now_us() - self._origin_us

    def call_at(self, at_us: int, callback: Callable[[], None]) -> TimerHandle:
        return self._clock.call_at(at_us + self._origin_us, callback)


class Direction:
    """`carry` takes datagrams in; each leaves by its own `onward`, later or never."""

    def __init__(self, config: LinkConfig, clock: Clock, on_dropped: OnDropped) -> None:
        self._config = config
        self._clock = clock
        self._on_dropped = on_dropped
        self.started_us: int | None = None  # the link's time 0 on the clock
        self._setup = self._host(_without_bottleneck(config), clock.now_us())
        self._host_now = self._setup

    def start(self) -> None:
        """Time 0 of trace, outages and random numbers is now. What is under way arrives as it would have."""
        if self.started_us is None:
            self.started_us = self._clock.now_us()
            self._host_now = self._host(self._config, self.started_us)

    def carry(self, datagram: InTransit) -> None:
        self._host_now.receive(datagram)

    def close(self) -> None:
        self._setup.close()
        self._host_now.close()

    @property
    def queued_packets(self) -> int:
        return self._host_now.machine.queued_packets

    @property
    def queued_bytes(self) -> int:
        return self._host_now.machine.queued_bytes

    def stats(self) -> LinkStats:
        """Since time 0; before it, of the way that calls are set up on."""
        return self._host_now.machine.stats()

    def _host(self, config: LinkConfig, origin_us: int) -> Host[Link]:
        on_event = partial(self._on_event, origin_us)
        return Host(Link(config), ShiftedClock(self._clock, origin_us), transmit=_go_on, on_event=on_event)

    def _on_event(self, origin_us: int, event: object) -> None:
        if isinstance(event, LinkDropped) and isinstance(event.data, InTransit):
            self._on_dropped(event.data, event.reason, event.at_us + origin_us)


def begins_media(data: bytes) -> bool:
    return kind_of(data).is_media


def _go_on(data: bytes) -> None:
    assert isinstance(data, InTransit)  # no stage of a relay makes new bytes
    data.onward(data)


def _without_bottleneck(config: LinkConfig) -> LinkConfig:
    """Delay and loss as they will be, nothing that hangs on the link's time."""
    stages = tuple(stage for stage in config.stages if not isinstance(stage, Outage))
    unlimited = replace(config, trace=None, rates=None, rate_bps=None, queue="infinite", queue_packets=None)
    return replace(unlimited, queue_bytes=None, stages=stages)
