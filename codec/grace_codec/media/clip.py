"""A clip whose frames can be had in any order, and looped: what the lab and the evaluation play.

Owns keeping and looping. Reading is `reader`'s; whoever needs frames once, in order, reads there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from grace_codec.errors import ClipError
from grace_codec.media.reader import BUILTIN, FrameReader, open_video
from grace_codec.media.video_file import ClipOptions, TimedPlanes
from grace_codec.types import Frame, Planes

__all__ = ["BUILTIN", "ClipOptions", "VideoClip", "open_clip", "palindrome", "split_i420"]

DEFAULT_MEMORY_BYTES: Final = 512 << 20
KEEP_FREE_BYTES: Final = 1 << 30
"""Of the disk with the temporary folder, for everybody else."""


class VideoClip:
    """The frames of one clip, decoded as far as they were asked for and kept for any later order of access.

    Up to `memory_bytes` stay in memory, the rest goes to a temporary file. `name` is for people and logs.
    Not thread-safe. Close it (or use `with`) to free file and decoder."""

    def __init__(
        self, name: str, fps: float, pictures: Iterator[Planes], memory_bytes: int = DEFAULT_MEMORY_BYTES
    ) -> None:
        """`pictures`: frames of one size, 1 / fps apart; the first is drawn at once, so that a broken source fails
        here."""
        timed = (TimedPlanes(round(index * 1e6 / fps), planes) for index, planes in enumerate(pictures))
        self._begin(name, fps, timed, memory_bytes, getattr(pictures, "close", None))

    @classmethod
    def read(cls, reader: FrameReader, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> VideoClip:
        """A clip of what `reader` gives, at its own times; it closes the reader."""
        clip = cls.__new__(cls)
        clip._begin(reader.name, reader.fps, reader.frames(), memory_bytes, reader.close)
        return clip

    def _begin(
        self,
        name: str,
        fps: float,
        frames: Iterator[TimedPlanes],
        memory_bytes: int,
        close: Callable[[], None] | None,
    ) -> None:
        self.name = name
        self.fps = fps
        self._frames = frames
        self._close = close
        self._ended = False
        first = next(frames, None)
        if first is None:
            raise ClipError(f"{name}: no frame in the wanted part; start earlier or give a longer clip")
        self.height, self.width = first.planes[0].shape
        self._times_us = [first.at_us]
        self._even = True  # 1 / fps apart
        self._store = _FrameStore(self.width, self.height, memory_bytes)
        self._store.append(first.planes)

    def count(self) -> int:
        """Number of frames, before any looping. Decodes the whole clip. Raises ClipError where it is broken."""
        while self._decode_one():
            pass
        return len(self._store)

    def picture(self, index: int) -> Planes:
        """Frame `index` of the clip, 0 and up. Raises IndexError past its end and ClipError where it is broken."""
        while index >= len(self._store) and self._decode_one():
            pass
        return self._store[index]

    def frame(self, frame_id: int) -> Frame:
        """Frame `frame_id` of the clip played forward, backward, forward ... for ever, at its own time."""
        while frame_id >= len(self._store) and self._decode_one():
            pass
        planes = self._store[palindrome(frame_id, len(self._store))]
        return Frame(frame_id, self._shown_us(frame_id), *planes)

    def distinct_frames(self, count: int) -> int:
        """How many of the first `count` frames differ: forward and backward once, then frame 1 comes again."""
        while len(self._store) < count and self._decode_one():
            pass
        return min(count, 2 * len(self._store) - 1)

    def play(self, count: int | None = None) -> Iterator[Frame]:
        """The first `count` frames, looped as `frame` does; None: the clip once."""
        for frame_id in range(self.count() if count is None else count):
            yield self.frame(frame_id)

    def close(self) -> None:
        self._ended = True
        if self._close is not None:
            self._close()
        self._store.close()

    def __enter__(self) -> VideoClip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shown_us(self, frame_id: int) -> int:
        """Forward at the times of the frames; backward with the same intervals, the other way round."""
        times, last = self._times_us, len(self._times_us) - 1
        if frame_id <= last:
            return times[frame_id]
        if self._even:
            return round(frame_id * 1e6 / self.fps)
        rounds, step = divmod(frame_id, 2 * last)
        at_us = times[step] if step <= last else 2 * times[last] - times[2 * last - step]
        return rounds * 2 * times[last] + at_us

    def _decode_one(self) -> bool:
        if self._ended:
            return False
        frame = next(self._frames, None)
        if frame is None:
            self._ended = True
            return False
        self._store.append(frame.planes)
        self._even = self._even and frame.at_us == round(len(self._times_us) * 1e6 / self.fps)
        self._times_us.append(frame.at_us)
        return True


def palindrome(index: int, length: int) -> int:
    """Position of step `index` in 0 1 2 .. n-1 n-2 .. 1 0 1 ..: looping without a cut."""
    if length <= 1:
        return 0
    step = index % (2 * (length - 1))
    return min(step, 2 * (length - 1) - step)


class _FrameStore:
    """I420 frames of one size by number, in memory up to a bound, beyond it in a temporary file."""

    def __init__(self, width: int, height: int, memory_bytes: int) -> None:
        self._width, self._height = width, height
        self.frame_bytes = width * height * 3 // 2
        self._in_memory = max(1, memory_bytes // self.frame_bytes)
        self._held: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, planes: Planes) -> None:
        data = b"".join(plane.tobytes() for plane in planes)
        if len(data) != self.frame_bytes:
            raise ClipError(f"the size changes in the clip after {self._count} frames; give a size to scale to")
        if len(self._held) < self._in_memory:
            self._held.append(data)
        else:
            self._write(data)
        self._count += 1

    def __getitem__(self, index: int) -> Planes:
        if not 0 <= index < self._count:
            raise IndexError(f"frame {index} of {self._count}")
        return split_i420(
            self._held[index] if index < len(self._held) else self._read(index), self._width, self._height
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, data: bytes) -> None:
        folder = tempfile.gettempdir()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="grace-clip-")  # noqa: SIM115, it lives as long as the store
            if shutil.disk_usage(folder).free < KEEP_FREE_BYTES + len(data):
                raise OSError(f"less than {KEEP_FREE_BYTES >> 30} GiB would be left")
            self._file.seek((self._count - len(self._held)) * self.frame_bytes)
            self._file.write(data)
        except OSError as error:
            advice = "use a shorter part or a smaller size, or set TMPDIR"
            raise ClipError(f"no room for decoded frames in {folder} ({error}); {advice}") from error

    def _read(self, index: int) -> bytes:
        if self._file is None:
            raise IndexError(f"frame {index} is not held")
        self._file.seek((index - len(self._held)) * self.frame_bytes)
        return self._file.read(self.frame_bytes)


def split_i420(data: bytes, width: int, height: int) -> Planes:
    """Read-only planes of one I420 frame (width * height * 3 / 2 bytes, even sides)."""
    luma, chroma = width * height, width * height // 4
    y = np.frombuffer(data, np.uint8, luma).reshape(height, width)
    u = np.frombuffer(data, np.uint8, chroma, luma).reshape(height // 2, width // 2)
    v = np.frombuffer(data, np.uint8, chroma, luma + chroma).reshape(height // 2, width // 2)
    return y, u, v


def open_clip(
    source: str | Path, options: ClipOptions | None = None, memory_bytes: int = DEFAULT_MEMORY_BYTES
) -> VideoClip:
    """A clip of what `open_video` reads. Raises ClipError (what, where, what to do next) as it does."""
    return VideoClip.read(open_video(source, options), memory_bytes)
