"""The live clock: asyncio's loop time as microseconds. Its virtual twin is `grace_netsim.clock.VirtualClock`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class AsyncioClock:
    """Monotonic microseconds of a running event loop (asyncio's own or uvloop's)."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def now_us(self) -> int:
        return int(self._loop.time() * 1_000_000)

    def call_at(self, at_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        # Rounded up: a timer must never fire before the microsecond that the machine asked for.
        return self._loop.call_at((at_us + 1) / 1_000_000, callback)
