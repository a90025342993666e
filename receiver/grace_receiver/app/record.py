"""Writes what a call showed: an MP4 with the real times, and without loss for measurements.

On threads of their own with bounded queues: a slow disk costs frames of the record, never of the call. Knows no call.
"""

from __future__ import annotations

import logging
import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from grace_codec.media import FrameConverter
from grace_codec.media.colour import tag
from grace_receiver.errors import RecordError

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

QUEUE_BYTES: Final = 64 << 20
CLOSE_S: Final = 10.0
_CLOCK: Final = 90_000
# While it is written the file is in fragments: readable whatever happens. Closing makes a regular MP4 of it.
_FLAGS: Final = {"movflags": "+hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
_H264: Final = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
_KEY_INTERVAL: Final = 50  # frames: a fragment, what a killed process loses at most


class Writer(Protocol):
    """What a `Recording` does on its thread. May raise; then the recording ends and says so."""

    def write(self, video: av.VideoFrame, at_us: int) -> None: ...

    def close(self, end_us: int) -> None: ...


class Recording:
    """Hands frames to a writer on a thread. `dropped` counts those for which there was no time."""

    def __init__(self, writer: Writer, path: Path, frame_bytes: int = 3 << 19) -> None:
        self.path = path
        self.dropped = 0
        self.error: str | None = None
        self._writer = writer
        self._queue: queue.Queue[tuple[av.VideoFrame, int] | int] = queue.Queue(max(8, QUEUE_BYTES // frame_bytes))
        self._thread = threading.Thread(target=self._run, name=f"record {path.name}", daemon=True)
        self._thread.start()

    def add(self, video: av.VideoFrame, at_us: int) -> bool:
        """A frame that was shown then; whether it will be written."""
        try:
            if self.error is None:
                self._queue.put_nowait((video, at_us))
                return True
        except queue.Full:
            self.dropped += 1
        return False

    def close(self, end_us: int) -> None:
        """Finish the file: the last frame stands until `end_us`. Blocks, but not for ever."""
        try:
            self._queue.put(end_us, timeout=CLOSE_S)
        except queue.Full:
            self.error = self.error or "the disk did not keep up"
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        end_us = 0
        try:
            while not isinstance(item := self._queue.get(), int):
                self._writer.write(*item)
            end_us = item
        except Exception as error:
            self.error = f"{self.path}: recording ended ({getattr(error, 'strerror', None) or error})"
            _log.debug("recording ended", exc_info=True)
        try:
            self._writer.close(end_us)
        except Exception as error:
            self.error = self.error or f"{self.path}: not finished ({getattr(error, 'strerror', None) or error})"
            _log.debug("recording not finished", exc_info=True)
        while self.error is not None:  # nobody may wait for room in the queue
            if isinstance(self._queue.get(), int):
                return


class Mp4Writer:
    """H.264 in an MP4; frames have the times at which they were shown, so a stall is a frame that stands.

    Frames of another size than the first one are scaled to it, with black bars where the shape is another one."""

    def __init__(self, path: Path) -> None:
        """RecordError where the file cannot be written."""
        import av

        try:
            path.open("wb").close()  # ffmpeg opens it with the first frame only
            self._container = av.open(str(path), "w", format="mp4", options=_FLAGS)
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RecordError(f"{path}: cannot be written ({reason}); give another place for the recording") from error
        self._stream: VideoStream | None = None
        self._first_us = 0
        self._last_pts = -1
        self._last: av.VideoFrame | None = None

    def write(self, video: av.VideoFrame, at_us: int) -> None:
        if self._stream is None:
            self._stream = self._begin(video, at_us)
        frame = self._converter.frame(video)
        self._encode(frame, at_us)
        self._last = frame

    def close(self, end_us: int) -> None:
        try:
            if self._stream is not None and self._last is not None:
                self._encode(self._last, end_us)  # else the last frame would last as long as its forerunner
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _begin(self, video: av.VideoFrame, at_us: int) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=30, options={**_H264, "g": str(_KEY_INTERVAL)})
        stream.width, stream.height = video.width & ~1, video.height & ~1
        stream.pix_fmt = "yuv420p"
        tag(stream.codec_context)
        stream.codec_context.time_base = stream.time_base = Fraction(1, _CLOCK)
        stream.codec_context.thread_count = 1
        self._converter = FrameConverter((stream.width, stream.height), stretch=False)
        self._first_us = at_us
        return stream

    def _encode(self, frame: av.VideoFrame, at_us: int) -> None:
        assert self._stream is not None
        pts = max((at_us - self._first_us) * _CLOCK // 1_000_000, 0)
        if pts <= self._last_pts:
            return  # two frames in one tick: the first stays
        frame.pts, frame.time_base = pts, Fraction(1, _CLOCK)
        frame.pict_type = 0
        self._last_pts = pts
        self._container.mux(self._stream.encode(frame))


class RawWriter:
    """Raw I420, one frame after the other, each of its own size: nothing is lost, nothing computed."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("wb")
        except OSError as error:
            reason = f"cannot be written ({error.strerror or error}); give another place for the frames"
            raise RecordError(f"{path}: {reason}") from error

    def write(self, video: av.VideoFrame, at_us: int) -> None:
        for plane in video.reformat(format="yuv420p").planes:
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            self._file.write(rows[: plane.height, : plane.width].tobytes())

    def close(self, end_us: int) -> None:
        self._file.close()
