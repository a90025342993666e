"""Keeps a machine's host running whatever raises inside it: a bug is told and counted, the call goes on.

Owns catching and re-arming. Refuses to know what went wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from grace_transport.host import Clock, TimerHandle

RETRY_US = 50_000


class SafeClock:
    """A clock whose callbacks cannot raise into the event loop; `on_error` is told, `retry` runs a little later."""

    def __init__(self, clock: Clock, on_error: Callable[[Exception], None]) -> None:
        self._clock = clock
        self._on_error = on_error

    def now_us(self) -> int:
        return self._clock.now_us()

    def call_at(self, at_us: int, callback: Callable[[], None]) -> TimerHandle:
        return self._clock.call_at(at_us, lambda: self.run(callback))

    def run(self, callback: Callable[[], None], retry: Callable[[], None] | None = None) -> None:
        """Call it. If it raises, `retry` (by default the same again) is tried once more after RETRY_US."""
        try:
            callback()
        except Exception as error:
            self._on_error(error)
            self._clock.call_at(self._clock.now_us() + RETRY_US, lambda: self._last_try(retry or callback))

    def _last_try(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:
            self._on_error(error)
