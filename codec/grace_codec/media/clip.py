"""Real video in: any file that ffmpeg reads, or a built-in scene, as yuv420 frames of a wanted size, rate and length.

Owns reading, scaling and looping. Knows no codec, no network and no clock: frame times follow from the frame rate.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from grace_codec.errors import ClipError
from grace_codec.media.synthetic import SCENES
from grace_codec.media.video_file import ClipOptions, check_file, file_pictures, frame_rate
from grace_codec.types import Frame, Planes

__all__ = ["BUILTIN", "ClipOptions", "Planes", "VideoClip", "open_clip", "palindrome", "split_i420"]

BUILTIN: Final = "builtin:"
DEFAULT_MEMORY_BYTES: Final = 512 << 20
_SEED: Final = re.compile(r"[0-9]{0,9}")
MAX_CLIP_BYTES: Final = 8 << 30
"""Pictures beyond the memory bound go to a temporary file; this is the bound of both together."""


class VideoClip:
    """The pictures of one clip, decoded as far as they were asked for and kept for any later order of access.

    Up to `memory_bytes` stay in memory, the rest goes to a temporary file. `name` is for people and logs.
    Not thread-safe. Close it (or use `with`) to free file and decoder."""

    def __init__(
        self, name: str, fps: float, pictures: Iterator[Planes], memory_bytes: int = DEFAULT_MEMORY_BYTES
    ) -> None:
        """`pictures` all have one size; the first is drawn at once, so that a broken source fails here."""
        self.name = name
        self.fps = fps
        self._pictures = pictures
        self._ended = False
        first = next(pictures, None)
        if first is None:
            raise ClipError(f"{name}: no picture in the wanted part; start earlier or give a longer clip")
        self.height, self.width = first[0].shape
        self._store = _PictureStore(self.width, self.height, memory_bytes)
        self._store.append(first)

    def count(self) -> int:
        """Number of pictures, before any looping. Decodes the whole clip. Raises ClipError where it is broken."""
        while self._decode_one():
            pass
        return len(self._store)

    def picture(self, index: int) -> Planes:
        """Picture `index` of the clip, 0 and up. Raises IndexError past its end and ClipError where it is broken."""
        while index >= len(self._store) and self._decode_one():
            pass
        return self._store[index]

    def frame(self, frame_id: int) -> Frame:
        """Frame `frame_id` of the clip played forward, backward, forward ... for ever, captured at frame_id / fps."""
        while frame_id >= len(self._store) and self._decode_one():
            pass
        planes = self._store[palindrome(frame_id, len(self._store))]
        return Frame(frame_id, round(frame_id * 1_000_000 / self.fps), *planes)

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
        if (close := getattr(self._pictures, "close", None)) is not None:
            close()
        self._store.close()

    def __enter__(self) -> VideoClip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode_one(self) -> bool:
        if self._ended:
            return False
        planes = next(self._pictures, None)
        if planes is None:
            self._ended = True
            return False
        if self._store.size_bytes + self._store.picture_bytes > MAX_CLIP_BYTES:
            raise ClipError(f"{self.name}: more than {MAX_CLIP_BYTES >> 30} GiB of pictures; give a shorter duration")
        self._store.append(planes)
        return True


def palindrome(index: int, length: int) -> int:
    """Position of step `index` in 0 1 2 .. n-1 n-2 .. 1 0 1 ..: looping without a cut."""
    if length <= 1:
        return 0
    step = index % (2 * (length - 1))
    return min(step, 2 * (length - 1) - step)


class _PictureStore:
    """I420 pictures of one size by number, in memory up to a bound, beyond it in a temporary file."""

    def __init__(self, width: int, height: int, memory_bytes: int) -> None:
        self._width, self._height = width, height
        self.picture_bytes = width * height * 3 // 2
        self._in_memory = max(1, memory_bytes // self.picture_bytes)
        self._held: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    @property
    def size_bytes(self) -> int:
        return self._count * self.picture_bytes

    def __len__(self) -> int:
        return self._count

    def append(self, planes: Planes) -> None:
        data = b"".join(plane.tobytes() for plane in planes)
        if len(data) != self.picture_bytes:
            raise ClipError(f"the picture size changes in the clip after {self._count} frames; give a size to scale to")
        if len(self._held) < self._in_memory:
            self._held.append(data)
        else:
            self._write(data)
        self._count += 1

    def __getitem__(self, index: int) -> Planes:
        if not 0 <= index < self._count:
            raise IndexError(f"picture {index} of {self._count}")
        return split_i420(
            self._held[index] if index < len(self._held) else self._read(index), self._width, self._height
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="grace-clip-")  # noqa: SIM115, it lives as long as the store
            self._file.seek((self._count - len(self._held)) * self.picture_bytes)
            self._file.write(data)
        except OSError as error:
            raise ClipError(f"no room for decoded pictures in {tempfile.gettempdir()} ({error}); set TMPDIR") from error

    def _read(self, index: int) -> bytes:
        if self._file is None:
            raise IndexError(f"picture {index} is not held")
        self._file.seek((index - len(self._held)) * self.picture_bytes)
        return self._file.read(self.picture_bytes)


def split_i420(data: bytes, width: int, height: int) -> Planes:
    """Read-only planes of one I420 picture (width * height * 3 / 2 bytes, even sides)."""
    luma, chroma = width * height, width * height // 4
    y = np.frombuffer(data, np.uint8, luma).reshape(height, width)
    u = np.frombuffer(data, np.uint8, chroma, luma).reshape(height // 2, width // 2)
    v = np.frombuffer(data, np.uint8, chroma, luma + chroma).reshape(height // 2, width // 2)
    return y, u, v


def open_clip(
    source: str | Path, options: ClipOptions | None = None, memory_bytes: int = DEFAULT_MEMORY_BYTES
) -> VideoClip:
    """A clip from a video file, or `builtin:NAME[:SEED]` (talk, pan, detail).

    Raises ClipError (what, where, what to do next) for anything that is no readable video of 64x64 to 1920x1080."""
    options = options or ClipOptions()
    if str(source).startswith(BUILTIN):
        return _open_builtin(str(source), options, memory_bytes)
    path = Path(source)
    check_file(path)
    return VideoClip(path.name, options.fps or frame_rate(path), file_pictures(path, options), memory_bytes)


def _open_builtin(source: str, options: ClipOptions, memory_bytes: int) -> VideoClip:
    name, _, seed = source.removeprefix(BUILTIN).partition(":")
    if name not in SCENES or not _SEED.fullmatch(seed):
        names = ", ".join(BUILTIN + scene for scene in SCENES)
        raise ClipError(f"{source}: no such built-in clip; there are {names}, each also with a seed ({BUILTIN}talk:7)")
    width, height = options.size or (640, 360)
    fps = options.fps or 25.0
    draw = SCENES[name](height, width, int(seed or 0) % (1 << 16))
    count = max(1, round((options.duration_s or 10.0) * fps))
    start_us = round(options.start_s * 1_000_000)
    pictures = (draw(start_us + round(index * 1_000_000 / fps)) for index in range(count))
    return VideoClip(source, fps, pictures, memory_bytes)
