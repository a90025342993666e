"""Emptying a queue that stands."""

from __future__ import annotations

from itertools import pairwise

from grace_transport.congestion.gcc.drain import QueueDrain

MS = 1_000
S = 1_000_000


def _wait(drain: QueueDrain, wait_ms: int, start_ms: int, end_ms: int) -> None:
    for at_ms in range(start_ms, end_ms + 1, 100):
        drain.on_wait(wait_ms * MS, at_ms * MS)


def test_queue_that_stands_for_a_second_is_drained_at_seven_tenths() -> None:
    drain = QueueDrain()
    _wait(drain, 100, 0, 900)
    assert drain.limit(2_000_000, 1_000_000) == 2_000_000
    _wait(drain, 100, 1_000, 1_000)
    assert drain.limit(2_000_000, 1_000_000) == 700_000
    assert drain.limit(500_000, 1_000_000) == 500_000
    assert drain.limit(500_000, None) == 500_000


def test_empty_queue_ends_the_drain() -> None:
    drain = QueueDrain()
    _wait(drain, 100, 0, 1_000)
    drain.on_wait(10 * MS, 1_100 * MS)
    assert not drain.draining


def test_short_queues_and_passing_ones_are_left_alone() -> None:
    drain = QueueDrain()
    _wait(drain, 50, 0, 5_000)
    for start_ms in range(5_000, 20_000, 1_000):
        _wait(drain, 200, start_ms, start_ms + 800)
        _wait(drain, 30, start_ms + 900, start_ms + 900)
        assert not drain.draining


def test_drain_that_does_not_help_is_given_up_and_tried_ever_more_rarely() -> None:
    drain = QueueDrain()
    starts = []
    for at_ms in range(0, 120_000, 100):
        before = drain.draining
        drain.on_wait(300 * MS, at_ms * MS)
        if drain.draining and not before:
            starts.append(at_ms // 1_000)
    gaps = [after - before for before, after in pairwise(starts)]
    assert starts[0] == 1
    assert gaps == sorted(gaps)
    assert gaps[0] >= 10
    assert gaps[-1] >= 40
