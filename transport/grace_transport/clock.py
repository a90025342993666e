"""The live clock: CLOCK_MONOTONIC in microseconds. The lab has `grace_lab.clock.VirtualClock` in its place."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable


class AsyncioClock:
    """CLOCK_MONOTONIC in microseconds, and the timers of a running event loop (asyncio's own or uvloop's).

    It does not use `loop.time()`, which in uvloop has whole milliseconds and stands still while callbacks run."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def now_us(self) -> int:
        """CLOCK_MONOTONIC in microseconds."""
        return time.monotonic_ns() // 1000

    def call_at(self, at_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back once, on the loop's thread, not before `at_us`."""
        # Rounded up to milliseconds, which both loops can do: a timer must not fire before the time that was asked for.
        return self._loop.call_later(max(0, math.ceil((at_us - self.now_us()) / 1000)) / 1000, callback)
