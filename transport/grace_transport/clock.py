"""The live clock: the machine's monotonic microseconds. Its virtual twin is `grace_lab.clock.VirtualClock`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable


class AsyncioClock:
    """Monotonic microseconds, and the timers of a running event loop (asyncio's own or uvloop's).

    Not `loop.time()`: uvloop's has whole milliseconds, and stands still while callbacks run."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def now_us(self) -> int:
        return time.monotonic_ns() // 1000

    def call_at(self, at_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        # Rounded up to what both loops can do: a timer must not fire before the microsecond that the machine asked for.
        return self._loop.call_later(max(0, math.ceil((at_us - self.now_us()) / 1000)) / 1000, callback)
