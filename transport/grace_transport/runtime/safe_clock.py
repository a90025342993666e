"""Keeps a machine's host running if something raises inside it: the exception is reported, and the call goes on.

Owns catching exceptions and trying once more. Refuses to know what went wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from grace_transport.host import Clock, TimerHandle

RETRY_US = 50_000  # from a callback that raised to its second try


class SafeClock:
    """A clock whose callbacks cannot raise into the event loop: `on_error` gets the exception."""

    def __init__(self, clock: Clock, on_error: Callable[[Exception], None]) -> None:
        self._clock = clock
        self._on_error = on_error

    def now_us(self) -> int:
        """The time of the clock inside."""
        return self._clock.now_us()

    def call_at(self, at_us: int, callback: Callable[[], None]) -> TimerHandle:
        """Run `callback` once, not before `at_us`, as `run` does."""
        return self._clock.call_at(at_us, lambda: self.run(callback))

    def run(self, callback: Callable[[], None], retry: Callable[[], None] | None = None) -> None:
        """Run `callback` now. If it raises, `retry` (by default `callback` again) runs once after RETRY_US."""
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
