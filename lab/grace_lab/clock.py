"""Virtual time: callbacks run in order of their times and, within one microsecond, in the order they were set."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class VirtualTimer:
    """A callback that was set; `cancel` takes it back."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None] | None) -> None:
        self.callback = callback

    def cancel(self) -> None:
        """Never run the callback. Idempotent."""
        self.callback = None


class VirtualClock:
    """A clock that jumps from one callback to the next. Starts at `start_us`; never goes back."""

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us
        self._heap: list[tuple[int, int, VirtualTimer]] = []
        self._made = 0

    def now_us(self) -> int:
        """The virtual time in microseconds."""
        return self._now_us

    def call_at(self, at_us: int, callback: Callable[[], None]) -> VirtualTimer:
        """Times in the past run at the present, after what is already due."""
        timer = VirtualTimer(callback)
        heapq.heappush(self._heap, (max(at_us, self._now_us), self._made, timer))
        self._made += 1
        return timer

    def run_until(self, end_us: int) -> None:
        """Run everything due up to and including `end_us`, then stand at `end_us`."""
        heap = self._heap
        while heap and heap[0][0] <= end_us:
            at_us, _, timer = heapq.heappop(heap)
            if timer.callback is not None:
                self._now_us = at_us
                timer.callback()
        self._now_us = max(self._now_us, end_us)
