"""The inner loops of the codec, compiled by numba to machine code. Owns how they are compiled; refuses to know codecs.

Each function is compiled for the types it says, when its module is imported, and kept in numba's cache on disk: only
the first import on a machine takes seconds. Bounds are not checked: callers hand in arrays of the sizes that the
docstrings give. No function keeps Python's lock, and no result depends on how work is split among threads.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Generic, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Result = TypeVar("_Result")
_announced: list[bool] = []


_READ_ONLY = re.compile(r"in (\w+)\[([:,]+)1\]")  # numba's short notation has no word for it


def _read_only(found: re.Match[str]) -> str:
    return f"Array({found[1]}, {found[2].count(',') + 1}, 'C', readonly=True)"


def compiled(signature: str, exact_floats: bool = False) -> Callable[[_Function], _Function]:
    """Compile a function for one signature of numba's types, at once; `in` before an array: it is only read.

    exact_floats: its floats hold multiples of one power of two, few enough of them to be exact, so that sums may be
    taken in any order without changing a bit."""

    def compile_now(function: _Function) -> _Function:
        import numba

        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}
        if exact_floats:
            options["fastmath"] = {"reassoc", "contract", "nsz"}
        types = _READ_ONLY.sub(_read_only, signature)
        try:
            dispatcher: Any = numba.njit(types, cache=True, **options)(function)
        except RuntimeError as error:  # neither the package's folder nor the user's cache can be written
            _announce(f"at every start, because {error}; NUMBA_CACHE_DIR may name a folder that keeps them")
            dispatcher = numba.njit(types, **options)(function)
        if sum(dispatcher.stats.cache_misses.values()):
            _announce("once per machine")
        return cast(_Function, dispatcher)

    return compile_now


def _announce(how_often: str) -> None:
    if not _announced:
        _announced.append(True)
        print(f"grace-rtc: compiling the codec's inner loops (10-30 s), {how_often}", file=sys.stderr, flush=True)


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


class Beside(Generic[_Result]):
    """Work that goes on in another thread where there may be one; else it waits until its result is wanted."""

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
