"""Laws of a direction, in virtual time: it is the lab's link, from the first media packet on."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from grace_lab.clock import VirtualClock
from grace_netsim.link.link import Link, LinkConfig
from grace_netsim.link.stages import IidLoss, Outage
from grace_netsim.relay.datagram import MediaIds
from grace_netsim.relay.direction import Direction, InTransit
from grace_netsim.trace.rates import RateSeries

LINK = LinkConfig(
    rates=RateSeries((300_000, 900_000, 100_000)), delay_us=20_000, queue_packets=5, stages=(IidLoss(0.1),), seed=3
)
Times = Iterable[tuple[int, bytes]]


def through_link(config: LinkConfig, sent: Times) -> list[tuple[int, bytes]]:
    link = Link(config)
    out: list[tuple[int, bytes]] = []

    def drain(until_us: int) -> None:
        while (at_us := link.get_timer()) is not None and at_us <= until_us:
            out.extend((at_us, data) for data in link.datagrams_to_send(at_us))

    for at_us, data in sent:
        drain(at_us)
        link.receive_datagram(data, at_us)
    drain(1 << 40)
    return out


class Run:
    """A direction on a virtual clock that stands at `start_us`, and what came out of it, counted from its time 0."""

    def __init__(self, config: LinkConfig, start_us: int) -> None:
        self.clock = VirtualClock(start_us)
        self.out: list[tuple[int, bytes]] = []
        self.dropped: list[tuple[str, int]] = []
        self.origin_us = start_us
        self.direction = Direction(config, self.clock, lambda _, reason, at_us: self.dropped.append((reason, at_us)))

    def send(self, *batch: bytes, late_us: int = 0) -> None:
        at_us = self.clock.now_us() - late_us
        self.direction.carry([InTransit(data, at_us, self._out, MediaIds()) for data in batch])

    def start(self) -> None:
        self.origin_us = self.clock.now_us()
        self.direction.start(self.origin_us)

    def _out(self, data: bytes) -> None:
        self.out.append((self.clock.now_us() - self.origin_us, bytes(data)))


@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 1_400)), max_size=40),
    st.integers(0, 10**12),
    st.integers(0, 3),
)
def test_from_its_time_zero_it_is_the_link_of_the_lab(
    packets: list[tuple[int, int]], start_us: int, before: int
) -> None:
    sent = [(at_us, bytes([number]) * size) for number, (at_us, size) in enumerate(sorted(packets))]
    run = Run(LINK, start_us)
    for _ in range(before):
        run.send(b"handshake")
        run.clock.run_until(run.clock.now_us() + 100_000)
    run.out.clear()
    run.start()
    for at_us, data in sent:
        run.clock.run_until(run.origin_us + at_us)
        run.send(data)
    run.clock.run_until(run.origin_us + 60_000_000)
    assert run.out == through_link(LINK, sent)


@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 1_400)), max_size=40),
    st.lists(st.integers(0, 400_000), max_size=5),
)
def test_late_process_changes_no_packets_fate(packets: list[tuple[int, int]], awake: list[int]) -> None:
    """It reads datagrams in heaps, as after a stall: the same come out as of the link, none before its time."""
    sent = [(at_us, bytes([number]) * size) for number, (at_us, size) in enumerate(sorted(packets))]
    run = Run(LINK, 1_000)
    run.start()
    reads = sorted({*awake, 400_000})
    for after_us, at_us in zip([-1, *reads], reads, strict=False):
        run.clock._now_us = run.origin_us + at_us  # asleep: not even timers ran
        heap = [
            InTransit(data, run.origin_us + came_us, run._out, MediaIds())
            for came_us, data in sent
            if after_us < came_us <= at_us
        ]
        run.direction.carry(heap)
    run.clock.run_until(run.origin_us + 60_000_000)
    ideal = through_link(LINK, sent)
    assert [data for _, data in run.out] == [data for _, data in ideal]
    assert all(at_us >= ideal_us for (at_us, _), (ideal_us, _) in zip(run.out, ideal, strict=True))


def test_before_time_zero_there_is_delay_and_no_bottleneck() -> None:
    run = Run(LinkConfig(rate_bps=1_000, delay_us=20_000, queue_packets=1), 7)
    for _ in range(10):
        run.send(bytes(1_000))
    run.clock.run_until(20_006)
    assert run.out == []
    run.clock.run_until(20_007)
    assert [at_us for at_us, _ in run.out] == [20_000] * 10


def test_what_was_under_way_at_time_zero_arrives() -> None:
    run = Run(LINK, 0)
    run.send(b"handshake")
    run.clock.run_until(10_000)
    run.start()
    run.start()  # once is once
    run.clock.run_until(20_000)
    assert run.out == [(10_000, b"handshake")]


def test_outage_counts_from_time_zero_and_its_drops_are_told_in_the_time_of_the_clock() -> None:
    run = Run(LinkConfig(queue="infinite", stages=(Outage(((0, 1_000),)),)), 500)
    run.send(b"handshake")
    run.start()
    run.send(b"lost")
    run.clock.run_until(1_500)
    run.send(b"media")
    assert [data for _, data in run.out] == [b"handshake", b"media"]
    assert run.dropped == [("outage", 500)]


def test_closed_direction_is_silent() -> None:
    run = Run(LINK, 0)
    run.send(b"handshake")
    run.direction.close()
    run.send(b"more")
    run.clock.run_until(1_000_000)
    assert run.out == []
