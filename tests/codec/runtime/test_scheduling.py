"""Encoding a still leaves every thread of the process under the scheduling policy that it had."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from grace_codec.grace.av1_still import encode_still
from grace_codec.runtime.scheduling import unchanged_scheduling

linux = pytest.mark.skipif(sys.platform != "linux", reason="policies of single threads are Linux's")
root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs leave to become real-time")


def own_scheduling() -> tuple[int, int]:
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def become_real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@linux
def test_still_leaves_the_caller_and_threads_started_later_as_they_were() -> None:
    y, chroma = np.full((64, 96), 90, np.uint8), np.full((32, 48), 120, np.uint8)
    seen: list[tuple[int, int]] = []

    def encode_and_start_a_thread() -> None:
        seen.append(own_scheduling())
        encode_still((y, chroma, chroma), 40)
        seen.append(own_scheduling())
        in_a_thread(lambda: seen.append(own_scheduling()))

    in_a_thread(encode_and_start_a_thread)
    before, after, of_a_thread_started_later = seen
    assert after == of_a_thread_started_later == before


@root
def test_policy_is_restored_when_the_work_fails() -> None:
    seen: list[tuple[int, int]] = []

    @unchanged_scheduling()
    def fail_in_real_time() -> None:
        become_real_time()
        raise ValueError("broken")

    def work() -> None:
        seen.append(own_scheduling())
        with pytest.raises(ValueError, match="broken"):
            fail_in_real_time()
        seen.append(own_scheduling())

    in_a_thread(work)
    assert seen[0] == seen[1]


@root
def test_threads_that_the_work_started_get_the_callers_policy_and_older_threads_keep_theirs() -> None:
    done = threading.Event()
    ids: dict[str, int] = {}

    def wait(name: str, ready: threading.Event) -> None:
        ids[name] = threading.get_native_id()
        ready.set()
        done.wait()

    def start(name: str) -> threading.Thread:
        ready = threading.Event()
        thread = threading.Thread(target=wait, args=(name, ready))
        thread.start()
        ready.wait()
        return thread

    policies: dict[str, int] = {}

    def work() -> None:
        threads = [start("older")]
        os.sched_setscheduler(ids["older"], os.SCHED_RR, os.sched_param(1))
        with unchanged_scheduling():
            become_real_time()
            threads.append(start("newer"))
        policies.update({name: os.sched_getscheduler(thread) for name, thread in ids.items()})
        done.set()
        for thread in threads:
            thread.join()

    in_a_thread(work)
    assert policies == {"older": os.SCHED_RR, "newer": os.SCHED_OTHER}
