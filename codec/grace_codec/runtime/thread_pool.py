"""The codec's threads: one small pool per process, for halves of a loop and for work in the background."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


@cache
def threads() -> int:
    """Threads that one codec may use: two, or one where OMP_NUM_THREADS or the process's cores say so."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(2, cores, int(asked) if asked.isdecimal() else 2))


class _Here(threading.local):
    """Whether this thread is a worker. Workers wait for nobody, or two of them might wait for each other's turn."""

    is_worker = False

    def become_worker(self) -> None:
        self.is_worker = True


_here = _Here()


def _alone() -> bool:
    return threads() == 1 or _here.is_worker


@cache
def _workers() -> ThreadPoolExecutor:
    """Threads beside the caller's: one for parts of a loop, one for a longer task."""
    return ThreadPoolExecutor(2, thread_name_prefix="grace-codec", initializer=_here.become_worker)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)  # threads do not survive a fork


def in_parts(work: Callable[[int, int], None], count: int) -> None:
    """Do work(first, last) for all of range(count): half of it in another thread where there may be one."""
    if _alone() or count < 2:
        work(0, count)
        return
    other = _workers().submit(work, count // 2, count)
    try:
        work(0, count // 2)
    finally:
        other.result()


class BackgroundTask(Generic[_Result]):
    """Work on the codec's thread pool. Where the codec may use one thread only, it runs inline, on `result()`."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        self._work = work
        self._future = None if _alone() else _workers().submit(work)

    def result(self) -> _Result:
        """Raises what the work raised. To be called once."""
        return self._work() if self._future is None else self._future.result()

    def settle(self) -> None:
        """Return when it is not going on: because it is done, or was not begun."""
        if self._future is not None:
            self._future.exception()
