"""One thread that runs heavy jobs in order and gives results back on the event loop.

Owns the thread, its bounded queue and its end. A job that raises does not end the thread: the exception is its result.
Refuses to know what the jobs do.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from weakref import WeakSet

T = TypeVar("T")

MAX_JOBS = 16  # that wait at a time
EXIT_S = 5.0  # how long the interpreter's exit waits for a running job
_logger = logging.getLogger(__name__)


class Worker:
    """Jobs run one after the other on a daemon thread. Everything but the jobs runs on the loop's thread."""

    def __init__(self, name: str, max_jobs: int = MAX_JOBS) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._max_jobs = max_jobs
        self._closing = False
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        _running.add(self)

    def submit(self, job: Callable[[], T], done: Callable[[T, int], None], failed: Callable[[Exception], None]) -> bool:
        """Run `job` on the thread, then `done(result, taken_us)` or `failed(error)` on the loop, unless closed by then.

        Returns False, and does nothing, if too many jobs wait or the worker was closed."""
        if self._closing or self._jobs.qsize() >= self._max_jobs:
            return False

        def run() -> None:
            begin_ns = time.monotonic_ns()
            try:
                result = job()
            except Exception as error:
                self._deliver(partial(failed, error))
            else:
                self._deliver(partial(done, result, (time.monotonic_ns() - begin_ns) // 1000))

        self._jobs.put(run)
        return True

    def close(self) -> None:
        """Begin to end: waiting jobs are dropped, and the result of the running one is not delivered. Idempotent."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)

    async def closed(self, timeout_s: float) -> bool:
        """Wait for the thread's end without blocking the loop. False if it takes longer: it will still end."""
        try:
            await asyncio.wait_for(self._ended.wait(), timeout_s)
        except TimeoutError:
            _logger.warning("%s: still busy after %g s", self._thread.name, timeout_s)
            return False
        self._thread.join()  # its last act was to say so
        return True

    def end(self) -> None:
        """End at the interpreter's exit, where no loop runs any more; waits EXIT_S at most."""
        self.close()
        self._thread.join(EXIT_S)

    # -- on the thread

    def _run(self) -> None:
        while not self._closing and (job := self._jobs.get()) is not None:
            job()
        self._on_loop(self._ended.set)

    def _deliver(self, callback: Callable[[], None]) -> None:
        def unless_closed() -> None:
            if not self._closing:
                callback()

        self._on_loop(unless_closed)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: nobody is left to tell
            self._closing = True


_running: WeakSet[Worker] = WeakSet()


@atexit.register
def _end_all() -> None:
    """A program may exit in the middle of a call; a thread inside a native library could then crash the process."""
    for worker in list(_running):
        worker.end()
