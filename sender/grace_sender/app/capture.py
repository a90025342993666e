"""Plays a source in real time, for whoever asks for the next frame: a feed outlives the calls that it feeds.

Owns the reading thread and the pace: each frame of a file is due at its own time. A consumer that is slow misses
frames, it never makes them late: the newest one that is due is what it gets. Refuses to know codecs and networks.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grace_codec.errors import ClipError
from grace_sender.app.sources import Source, SourceFrame
from grace_sender.live.frame_timing import FrameGate
from grace_sender.live.frames import FrameNumber
from grace_transport.runtime.process import monotonic_us

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

PREFETCH_BYTES: Final = 24 << 20
SLIP_US: Final = 500_000  # a source that is later than this cannot keep up: the clock goes on from there


@dataclass(frozen=True, slots=True)
class FrameMissed:
    """A frame was due while nobody asked for it."""

    at_us: int
    frame_id: int
    captured_us: int
    source_frame: int


@dataclass(frozen=True, slots=True)
class Capture:
    """A frame with its number and time: `video.opaque`, and `video.pts` in microseconds (CLOCK_MONOTONIC)."""

    frame_id: int
    captured_us: int
    source_frame: int
    video: av.VideoFrame


class Feed:
    """The frames of one source, in real time. Use it on one event loop; `start` first, `close` at the end."""

    def __init__(
        self, source: Source, fps: float | None = None, on_missed: Callable[[FrameMissed], None] | None = None
    ) -> None:
        """`fps`: let fewer frames of a live source through. `on_missed` gets every frame that nobody asked for."""
        self.source = source
        self.error: ClipError | None = None
        self._on_missed = on_missed
        self._gate = FrameGate(fps or source.fps)
        self._interval_us = 1_000_000 / source.fps
        self._next_id = 0
        self._origin_us = 0.0  # capture time of frame 0
        self._paused = True
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        size = self.source.width * self.source.height * 3 // 2
        depth = 1 if self.source.live else max(2, min(64, PREFETCH_BYTES // size))
        self._queue: asyncio.Queue[tuple[int, SourceFrame] | None] = asyncio.Queue(depth)
        self._ahead: deque[tuple[int, SourceFrame] | None] = deque()  # taken from the queue, to look at
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop reading; the thread ends by itself, at once unless it is stuck in a driver (it is a daemon)."""
        self._closed.set()
        while self._thread is not None and not self._queue.empty():
            self._queue.get_nowait()
        await asyncio.sleep(0)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 1.0)
            if not self._thread.is_alive():
                self.source.close()
        self._thread = None

    def pause(self) -> None:
        """There is no call: a file waits until somebody asks again; a camera goes on."""
        self._paused = True

    async def next(self) -> Capture | None:
        """The newest frame that is due, or the next one when it is. None: the source has ended (`error` says why)."""
        return await (self._next_live() if self.source.live else self._next_paced())

    # -- inside ----------------------------------------------------------------------------------------------------

    def _now_us(self) -> int:
        return monotonic_us()

    async def _next_live(self) -> Capture | None:
        while (item := await self._take()) is not None:
            captured_us, frame = item
            if self._gate.admits(captured_us):
                self._next_id += 1
                return _captured(self._next_id - 1, captured_us, frame)
        return None

    async def _next_paced(self) -> Capture | None:
        if not self._paused:
            await self._pass_over()
        if (item := await self._take()) is None:
            return None
        now_us, due_us = self._now_us(), self._due_us(item[1])
        if self._paused or now_us - due_us > SLIP_US:
            self._origin_us += now_us - due_us
            due_us = now_us
        self._paused = False
        while (wait_us := due_us - self._now_us()) > 0:
            await asyncio.sleep(wait_us / 1_000_000)
        self._next_id += 1
        return _captured(self._next_id - 1, due_us, item[1])

    def _due_us(self, frame: SourceFrame, later: int = 0) -> int:
        """When a frame of the source is due, `later` frames after the next one."""
        at_us = frame.at_us
        return round(self._origin_us + ((self._next_id + later) * self._interval_us if at_us is None else at_us))

    async def _pass_over(self) -> None:
        """Leave out what was read and is not the newest due frame any more."""
        while (item := self._read_already(0)) is not None and self._is_over(item[1]):
            await self._take()
            if self._on_missed is not None:
                frame = item[1]
                self._on_missed(FrameMissed(self._now_us(), self._next_id, self._due_us(frame), frame.number))
            self._next_id += 1

    def _is_over(self, frame: SourceFrame) -> bool:
        """Whether the frame after this one is due; of one that is still being read, whether it should be."""
        if len(self._ahead) + self._queue.qsize() > 1:
            following = self._read_already(1)
            return following is not None and self._due_us(following[1], later=1) <= self._now_us()
        return self._due_us(frame) + self._interval_us <= self._now_us()

    def _read_already(self, index: int) -> tuple[int, SourceFrame] | None:
        """What was read and waits, without taking it. None where there is no such frame."""
        while len(self._ahead) <= index and not self._queue.empty():
            self._ahead.append(self._queue.get_nowait())
        return self._ahead[index] if index < len(self._ahead) else None

    async def _take(self) -> tuple[int, SourceFrame] | None:
        item = self._ahead.popleft() if self._ahead else await self._queue.get()
        if item is None:
            self._ahead.append(None)  # for whoever asks again
        return item

    def _read(self) -> None:
        """On the reading thread. Whatever happens here ends the feed and is told, it never just stops."""
        try:
            for frame in self.source.frames():
                if self._closed.is_set():
                    return
                self._hand_over((self._now_us(), frame))
        except ClipError as error:
            self.error = error
        except Exception as error:
            _log.exception("reading %s failed", self.source.name)
            self.error = ClipError(f"{self.source.name}: reading failed ({error}); the log says more")
        self._hand_over(None)

    def _hand_over(self, item: tuple[int, SourceFrame] | None) -> None:
        try:
            if self.source.live:
                self._loop.call_soon_threadsafe(self._replace, item)
            else:
                asyncio.run_coroutine_threadsafe(self._queue.put(item), self._loop).result()
        except RuntimeError:  # the loop is closed: nobody wants frames any more
            self._closed.set()

    def _replace(self, item: tuple[int, SourceFrame] | None) -> None:
        """Newest wins."""
        while not self._queue.empty():
            if self._queue.get_nowait() is None:
                item = None
        self._queue.put_nowait(item)


def _captured(frame_id: int, captured_us: int, frame: SourceFrame) -> Capture:
    frame.video.pts = captured_us
    frame.video.opaque = FrameNumber(frame_id, frame.number)  # the plug-in numbers its frames so
    return Capture(frame_id, captured_us, frame.number, frame.video)
