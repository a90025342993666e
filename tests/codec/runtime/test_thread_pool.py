"""Laws of dividing work among threads: nothing is left out, nothing is swallowed, nobody waits for ever."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from grace_codec.runtime import thread_pool


@pytest.mark.parametrize("threads", [1, 2])
def test_parts_cover_everything_once(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool, "threads", lambda: threads)
    done: list[int] = []
    thread_pool.in_parts(lambda first, last: done.extend(range(first, last)), 7)
    assert sorted(done) == list(range(7))


def test_a_failure_in_the_other_thread_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool, "threads", lambda: 2)

    def fail_late(first: int, last: int) -> None:
        if last == 7:
            raise ValueError("of the second half")

    with pytest.raises(ValueError, match="second half"):
        thread_pool.in_parts(fail_late, 7)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_result_is_what_the_work_gave(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool, "threads", lambda: threads)
    calls = count(1)
    task = thread_pool.BackgroundTask(lambda: next(calls))
    task.settle()
    assert task.result() == 1
    assert next(calls) == 2


def test_tasks_that_divide_their_work_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are workers, all at the same point: their parts would never get a turn."""
    monkeypatch.setattr(thread_pool, "threads", lambda: 2)
    met, done = threading.Barrier(2), list[int]()

    def meet_and_divide() -> None:
        met.wait(20)
        thread_pool.in_parts(lambda first, last: done.extend(range(first, last)), 10)

    for task in [thread_pool.BackgroundTask(meet_and_divide) for _ in range(2)]:
        task.result()
    assert sorted(done) == sorted([*range(10)] * 2)
