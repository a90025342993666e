"""The common part of both live ends of a stream: a session in real time, a codec on its own thread, an observer.

Owns the wiring, and the answer to exceptions: they are logged and told to the observer, and the call goes on.
Refuses to know which of the two ends it serves and what the events of its session mean.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from grace_transport.clock import AsyncioClock
from grace_transport.host import Host
from grace_transport.machine import Machine
from grace_transport.runtime.safe_clock import SafeClock
from grace_transport.runtime.worker import Worker

Event = TypeVar("Event", bound="TimedEvent")
Result = TypeVar("Result")

CLOSE_TIMEOUT_S: Final = 5.0  # how long to wait for the running job: a frame, or the loading of a model
LOUD_FAILURES: Final = 3
EVERY_FAILURES: Final = 100
"""The first LOUD_FAILURES failures are logged, then one in EVERY_FAILURES: a codec that fails for every frame must not
fill a disk. The observer is told of all of them."""

_logger = logging.getLogger(__name__)


class TimedEvent(Protocol):
    """Any event of a session or a live end: a dataclass with the time when it happened."""

    @property
    def at_us(self) -> int:
        """CLOCK_MONOTONIC in microseconds."""
        ...


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event of a session, or of the live end around it, as an observer gets it on the event loop's thread.

    end: "sender" or "receiver". ssrc: of the stream. event: one of `grace_sender.live.events.LiveSenderEvent` or
    `grace_receiver.live.events.LiveReceiverEvent`; its `at_us` is CLOCK_MONOTONIC in microseconds."""

    end: str
    ssrc: int
    event: TimedEvent


@dataclass(frozen=True, slots=True)
class CodecReady:
    """An event: the codec was loaded on the worker thread, which took `took_us` microseconds."""

    at_us: int
    took_us: int


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """An event: something raised that must not, and the call goes on without its result.

    what: load, calibrate, encode, decode or session. reason: the exception's text."""

    at_us: int
    what: str
    reason: str


class LiveEnd(Generic[Event]):
    """Runs `session` on the event loop's thread and jobs on a worker thread. No method blocks, none raises."""

    def __init__(
        self,
        end: str,
        ssrc: int,
        session: Machine[Event, bytes],
        send: Callable[[bytes], None],
        on_event: Callable[[Event], None],
        observer: Callable[[LiveEvent], None] | None,
    ) -> None:
        """`on_event` gets every event of the session, after the observer."""
        self._end, self._ssrc, self._observer = end, ssrc, observer
        self._on_event = on_event
        self._failures = 0
        self._clock = SafeClock(AsyncioClock(), partial(self.on_failed, "session"))
        self._host = Host(session, self._clock, send, self._on_session_event)
        self._worker = Worker(f"grace-{'encoder' if end == 'sender' else 'decoder'}-{ssrc:08x}")

    def now_us(self) -> int:
        """CLOCK_MONOTONIC in microseconds."""
        return self._clock.now_us()

    def receive(self, data: bytes) -> None:
        """A datagram came from the network."""
        self.run(partial(self._host.receive, data))

    def run(self, callback: Callable[[], None]) -> None:
        """Call it; whatever it raises is reported, and the session is drained a little later."""
        self._clock.run(callback, retry=self._host.drain)

    def mutate(self, change: Callable[[int], None]) -> None:
        """Run `change(now_us)`, which tells the session something, and drain the session."""
        self._host.mutate(change)

    def load(self, make: Callable[[], Result], loaded: Callable[[Result], None]) -> None:
        """Make the codec on the worker thread; `CodecReady` is told before `loaded(codec)` is called."""

        def done(codec: Result, taken_us: int) -> None:
            self.tell(CodecReady(self.now_us(), taken_us))
            loaded(codec)

        self.work("load", make, done)

    def work(
        self,
        what: str,
        job: Callable[[], Result],
        done: Callable[[Result, int], None],
        failed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        """Run `job` on the worker thread, then `done(result, taken_us)` or `failed(error)` here. A failure is reported
        before `failed` is called."""

        def on_done(result: Result, taken_us: int) -> None:
            self.run(partial(done, result, taken_us))

        def on_error(error: Exception) -> None:
            self.on_failed(what, error)
            self.run(partial(failed, error))

        if not self._worker.submit(job, on_done, on_error):
            on_error(RuntimeError("too many jobs wait"))

    def tell(self, event: TimedEvent) -> None:
        """Give the observer an event, if there is an observer; what it raises is logged."""
        if self._observer is not None:
            try:
                self._observer(LiveEvent(self._end, self._ssrc, event))
            except Exception:
                _logger.exception("the observer of a GRACE %s raised", self._end)

    def on_failed(self, what: str, error: Exception) -> None:
        """Log and tell that `what` raised."""
        self._failures += 1
        if self._failures <= LOUD_FAILURES or self._failures % EVERY_FAILURES == 0:
            _logger.error("GRACE %s, %s failed: %s", self._end, what, error, exc_info=error)
        self.tell(WorkFailed(self._clock.now_us(), what, str(error)))

    async def close(self) -> None:
        """Stop the session and the thread; waits at most CLOSE_TIMEOUT_S for the job that runs."""
        self._host.close()
        self._worker.close()
        await self._worker.closed(CLOSE_TIMEOUT_S)

    def _on_session_event(self, event: Event) -> None:
        self.tell(event)
        self._on_event(event)
