"""Shared parts of a live process: its event loop, its end by signal, and events about the process itself.

Refuses to know what the process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SECOND_SIGNAL_STATUS = 130  # the status with which a shell reports a process that SIGINT ended
SAME_SIGNAL_US = 300_000  # a signal that comes sooner is the first one again: terminal and parent may both send it


def monotonic_us() -> int:
    """CLOCK_MONOTONIC in microseconds: the clock of `loop.time()`, which in uvloop has whole milliseconds only."""
    return time.monotonic_ns() // 1000


class ExitStatus(IntEnum):
    """Exit status of `grace-rtc send` and `grace-rtc receive`."""

    DONE = 0  # the source ended, --seconds are over, or a signal came
    REFUSED = 3  # the peer refused for good, or there was no call for --give-up seconds
    SOURCE_BROKE = 4


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """An event: `RTCPeerConnection.connectionState` is now `state`."""

    at_us: int
    state: str


@dataclass(frozen=True, slots=True)
class Notice:
    """An event: a line of text for the people who run the process. `warning`: something is not as they asked."""

    at_us: int
    text: str
    warning: bool = False


class Sampler(Generic[T]):
    """Samples totals that grow, once in `every_s` seconds (0: never), so that rates can be made of two samples."""

    def __init__(self, every_s: float) -> None:
        self._every_us = round(every_s * 1e6)
        self._last: tuple[int, T] | None = None

    def restart(self) -> None:
        """The totals begin at 0 again."""
        self._last = None

    def sample(self, totals: T, now_us: int) -> tuple[T, float] | None:
        """Where an interval is over: the totals at its begin, and the seconds since then. None in between."""
        before = self._last
        if not self._every_us or (before is not None and now_us - before[0] < self._every_us):
            return None
        self._last = now_us, totals
        return None if before is None else (before[1], (now_us - before[0]) / 1e6)


def run(main: Coroutine[Any, Any, T], event_loop: str = "auto") -> T:
    """Run `main` and return its result. `event_loop` is `asyncio`, `uvloop`, or `auto`: uvloop where it is installed.

    Raises ValueError if uvloop is wanted and not installed."""
    installed = importlib.util.find_spec("uvloop") is not None
    if event_loop == "uvloop" and not installed:
        main.close()
        raise ValueError("uvloop is not installed; pip install uvloop, or take --event-loop asyncio")
    if event_loop == "asyncio" or not installed:
        return asyncio.run(main)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


class StoppedError(Exception):
    """A signal came, and what was awaited is not wanted any more. The text is the signal's name."""


class StopSignal:
    """Called by signals: it remembers the first one, tells a listener, and ends a wait that nobody needs any more.

    name: of the first signal, "" before it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._listener: Callable[[str], None] | None = None
        self.name = ""

    def __call__(self, name: str) -> None:
        self.name = self.name or name
        self._event.set()
        if self._listener is not None:
            self._listener(name)

    def tell(self, listener: Callable[[str], None]) -> None:
        """Call `listener(name)` at each signal from now on, and at once if one has come before."""
        self._listener = listener
        if self.name:
            listener(self.name)

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` and return its result. Raises StoppedError as soon as a signal comes, and cancels `work`."""
        task, signalled = asyncio.create_task(work), asyncio.create_task(self._event.wait())
        await asyncio.wait((task, signalled), return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        if task.done():
            return task.result()
        task.cancel()
        raise StoppedError(self.name)


@contextlib.contextmanager
def signals_as_calls(on_signal: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `on_signal(name)`; a second one ends the process at once, whatever it hangs in."""
    loop = asyncio.get_running_loop()
    first_us: int | None = None

    def handle(name: str) -> None:
        nonlocal first_us
        now_us = monotonic_us()
        if first_us is None:
            first_us = now_us
            on_signal(name)
        elif now_us - first_us > SAME_SIGNAL_US:
            os._exit(SECOND_SIGNAL_STATUS)

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not on this platform or thread
            loop.add_signal_handler(number, handle, number.name)
    try:
        yield
    finally:
        for number in signals:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)
