"""Laws of the queues: what they keep, what they drop, and what their counts say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_netsim.link.packet import Packet
from grace_netsim.link.queues import QUEUES, CoDel, DropHead, DropTail, Infinite, Queue


@dataclass
class Drops:
    """Records what a queue drops."""

    seen: list[tuple[int, int, str]] = field(default_factory=list)  # id, time, reason

    def __call__(self, packet: Packet, at_us: int, reason: str) -> None:
        self.seen.append((int.from_bytes(packet[0], "big"), at_us, reason))

    @property
    def ids(self) -> list[int]:
        return [packet_id for packet_id, _, _ in self.seen]


def packet(number: int, size: int, at_us: int = 0) -> Packet:
    return number.to_bytes(2, "big"), size, at_us


def fill(queue: Queue, *sizes: int, at_us: int = 0) -> None:
    for number, size in enumerate(sizes):
        queue.enqueue(packet(number, size, at_us), at_us)


def waiting_ids(queue: Queue) -> list[int]:
    return [int.from_bytes(data, "big") for data, _, _ in queue.waiting]


def test_drop_tail_refuses_the_arrival_beyond_the_packet_limit() -> None:
    drops = Drops()
    queue = DropTail(2, None, drops)
    fill(queue, 100, 100, 100)
    assert (waiting_ids(queue), drops.seen) == ([0, 1], [(2, 0, "droptail")])


def test_drop_tail_takes_an_exact_fit_in_bytes_and_a_small_packet_after_a_large_one_failed() -> None:
    drops = Drops()
    queue = DropTail(None, 3000, drops)
    fill(queue, 1504, 1504, 132, 1364, 32)
    assert (waiting_ids(queue), queue.waiting_bytes, drops.ids) == ([0, 2, 3], 3000, [1, 4])


def test_drop_tail_applies_both_limits() -> None:
    drops = Drops()
    queue = DropTail(3, 2000, drops)
    fill(queue, 1504, 1504, 132, 132, 132)
    assert (waiting_ids(queue), drops.ids) == ([0, 2, 3], [1, 4])


def test_drop_head_takes_the_arrival_and_drops_the_oldest() -> None:
    drops = Drops()
    queue = DropHead(None, 1600, drops)
    fill(queue, 132, 132, 1504)
    assert (waiting_ids(queue), drops.seen) == ([2], [(0, 0, "drophead"), (1, 0, "drophead")])


def test_infinite_never_drops() -> None:
    drops = Drops()
    queue = Infinite(1, 1, drops)
    fill(queue, *[1504] * 1000)
    assert (len(queue.waiting), drops.seen) == (1000, [])


def test_codel_leaves_a_short_queue_alone() -> None:
    drops = Drops()
    queue = CoDel(None, None, drops)
    for number in range(1000):
        queue.enqueue(packet(number, 1504, number * 1_000), number * 1_000)
        if number >= 3:
            queue.dequeue(number * 1_000)  # sojourn 3 ms: below the target of 5 ms
    assert drops.seen == []


def codel_drop_times(until_ms: int) -> list[int]:
    """A standing queue of 50 ms: each millisecond one packet comes and one goes."""
    drops = Drops()
    queue = CoDel(None, None, drops)
    for now_ms in range(until_ms):
        queue.enqueue(packet(0, 1504, now_ms * 1_000), now_ms * 1_000)
        if now_ms >= 50:
            queue.dequeue(now_ms * 1_000)
    return [at_us // 1_000 for _, at_us, _ in drops.seen]


def test_codel_drops_after_an_interval_above_target_then_ever_faster() -> None:
    times = codel_drop_times(560)
    assert times[0] == 150  # first seen above target at 50 ms, dropped one interval later
    gaps = [after - before for before, after in pairwise(times)]
    # 100 ms / sqrt(count) (RFC 8289 §5.3): 150, 250, 320.7, 378.4, 428.4 ms, seen by the millisecond
    assert gaps[:4] == [100, 71, 58, 50]


def test_codel_stops_dropping_when_the_sojourn_time_falls() -> None:
    drops = Drops()
    queue = CoDel(None, None, drops)
    for now_ms in range(400):
        queue.enqueue(packet(0, 1504, now_ms * 1_000), now_ms * 1_000)
        if now_ms >= 50:
            queue.dequeue(now_ms * 1_000)
    before = len(drops.seen)
    while queue.dequeue(400_000) is not None:
        pass
    for now_ms in range(401, 800):
        queue.enqueue(packet(0, 1504, now_ms * 1_000), now_ms * 1_000)
        queue.dequeue(now_ms * 1_000)
    assert before > 0
    assert [at_us for _, at_us, _ in drops.seen if at_us > 400_000] == []


def test_codel_never_drops_the_last_packet_worth_of_bytes() -> None:
    drops = Drops()
    queue = CoDel(None, None, drops)
    for now_ms in range(0, 10_000, 50):
        queue.enqueue(packet(0, 1504, now_ms * 1_000), now_ms * 1_000)
        queue.dequeue((now_ms + 40) * 1_000)  # waits 40 ms, but nothing waits behind it
    assert drops.seen == []


def test_codel_limits_are_drop_tail() -> None:
    drops = Drops()
    queue = CoDel(2, None, drops)
    fill(queue, 100, 100, 100)
    assert drops.seen == [(2, 0, "droptail")]


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES.keys())
@given(
    operations=st.lists(st.one_of(st.integers(32, 1504), st.none()), max_size=200),
    packets=st.integers(0, 6),
    size=st.integers(0, 6000),
    gap_us=st.integers(0, 40_000),
)
def test_every_queue_keeps_order_and_loses_count_of_nothing(
    make: Callable[..., Queue], operations: list[int | None], packets: int, size: int, gap_us: int
) -> None:
    drops = Drops()
    queue = make(packets, size, drops)
    served: list[int] = []
    for number, operation in enumerate(operations):
        if operation is None:
            out = queue.dequeue(number * gap_us)
            if out is not None:
                served.append(int.from_bytes(out[0], "big"))
        else:
            queue.enqueue(packet(number, operation, number * gap_us), number * gap_us)
        assert queue.waiting_bytes == sum(waiting[1] for waiting in queue.waiting)
        if make is not Infinite:
            assert len(queue.waiting) <= packets
            assert queue.waiting_bytes <= size
    arrived = [number for number, operation in enumerate(operations) if operation is not None]
    assert served == sorted(served)
    assert sorted(served + drops.ids + waiting_ids(queue)) == arrived
