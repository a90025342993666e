"""Where pictures come from: a file, a built-in scene, a webcam. Owns reading and what can go wrong with it.

A source is read on a thread of its own and knows no time, except a webcam, whose pictures come when they come.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from grace_codec.errors import ClipError
from grace_codec.media.clip import BUILTIN, ClipOptions, VideoClip, open_clip, palindrome
from grace_codec.media.video_file import check_file, check_size, file_pictures, frame_rate, planes_of
from grace_codec.types import Planes

if TYPE_CHECKING:
    import av

TEST_CLIP: Final = BUILTIN + "talk"
TEST_CLIP_S: Final = 4.0
DRAWN_PX: Final = 24_000_000  # of the test clip before the call, two or three seconds' work: it costs as much as coding
SCENE_S: Final = 10.0
CLIP_MEMORY_BYTES: Final = 256 << 20
WEBCAM: Final = "webcam"
_DRIVERS: Final = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """`number`: which picture of the clip this is, as `open_clip` counts; of a webcam, how many came before it."""

    number: int
    video: av.VideoFrame


class Source(Protocol):
    """Pictures of one size. `live`: they come when they come, and only the newest is of interest."""

    name: str
    live: bool
    width: int
    height: int
    fps: float

    def pictures(self) -> Iterator[SourcePicture]:
        """In order, until the source ends. Raises ClipError where it breaks. Called once, on any one thread."""
        ...

    def preview(self, count: int) -> list[Planes]:
        """The first pictures, as yuv420p planes, without taking them from `pictures`; a webcam's newest ones."""
        ...

    def close(self) -> None: ...


def open_source(text: str, size: tuple[int, int] | None, fps: float | None, loop: bool) -> Source:
    """`test`, `builtin:NAME`, `webcam`, `webcam:N` or a file. ClipError for what cannot be read."""
    if text == "test":
        clip = open_clip(TEST_CLIP, ClipOptions(size, fps, duration_s=TEST_CLIP_S), CLIP_MEMORY_BYTES)
        with suppress(IndexError):
            for index in range(DRAWN_PX // (clip.width * clip.height)):
                clip.picture(index)
        return LoopedClip(clip)
    if text.startswith(BUILTIN):
        return LoopedClip(open_clip(text, ClipOptions(size, fps, duration_s=SCENE_S), CLIP_MEMORY_BYTES))
    if text == WEBCAM or text.startswith(WEBCAM + ":"):
        return Webcam(text, size, fps)
    if loop:
        return LoopedClip(open_clip(text, ClipOptions(size, fps), CLIP_MEMORY_BYTES))
    return FileOnce(Path(text), ClipOptions(size, fps))


class LoopedClip:
    """A clip forward, backward, forward ... for ever, as the lab plays it."""

    live = False

    def __init__(self, clip: VideoClip) -> None:
        self._clip = clip
        self.name, self.width, self.height, self.fps = clip.name, clip.width, clip.height, clip.fps

    def pictures(self) -> Iterator[SourcePicture]:
        index, count = 0, None
        while True:
            if count is None:
                try:
                    yield SourcePicture(index, video_frame(self._clip.picture(index)))
                except IndexError:
                    count = self._clip.count()
                    continue
            else:
                number = palindrome(index, count)
                yield SourcePicture(number, video_frame(self._clip.picture(number)))
            index += 1

    def preview(self, count: int) -> list[Planes]:
        found = []
        for index in range(count):
            try:
                found.append(self._clip.picture(index))
            except IndexError:
                break
        return found

    def close(self) -> None:
        self._clip.close()


class FileOnce:
    """A file from beginning to end, however long: nothing is kept."""

    live = False

    def __init__(self, path: Path, options: ClipOptions) -> None:
        check_file(path)
        self._path, self._options = path, options
        self.name, self.fps = path.name, options.fps or frame_rate(path)
        self._pictures = file_pictures(path, options)
        first = next(self._pictures, None)
        if first is None:
            raise ClipError(f"{path}: no picture in the file; give another")
        self._first: Planes | None = first
        self.height, self.width = first[0].shape

    def pictures(self) -> Iterator[SourcePicture]:
        first, self._first = self._first, None
        if first is not None:
            yield SourcePicture(0, video_frame(first))
        for number, planes in enumerate(self._pictures, 1):
            if planes[0].shape != (self.height, self.width):
                raise ClipError(f"{self.name}: the picture size changes in the file; give a size to scale to (--size)")
            yield SourcePicture(number, video_frame(planes))

    def preview(self, count: int) -> list[Planes]:
        return list(islice(file_pictures(self._path, self._options), count))

    def close(self) -> None:
        if (close := getattr(self._pictures, "close", None)) is not None:
            try:
                close()
            except ValueError:  # the reading thread is inside it and ends with the process
                return


class Webcam:
    """A camera through ffmpeg's driver of this platform."""

    live = True

    def __init__(self, text: str, size: tuple[int, int] | None, fps: float | None) -> None:
        device, driver = webcam_device(text, sys.platform)
        options = {} if size is None else {"video_size": f"{size[0]}x{size[1]}"}
        if fps is not None:
            options["framerate"] = f"{fps:g}"
        self.name = device
        self._container = _open_camera(device, driver, options)
        stream = self._container.streams.video[0]
        context = stream.codec_context
        self.width, self.height = size or (context.width & ~1, context.height & ~1)
        check_size(self.width, self.height, f"{device}: its picture")
        self.fps = fps or min(max(float(stream.average_rate or 30), 1.0), 60.0)

    def pictures(self) -> Iterator[SourcePicture]:
        import av

        try:
            for number, frame in enumerate(self._container.decode(video=0)):
                yield SourcePicture(number, frame.reformat(self.width, self.height, format="yuv420p"))
        except (av.FFmpegError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ClipError(f"{self.name}: the camera stopped ({reason}); plug it in again") from error

    def preview(self, count: int) -> list[Planes]:
        return [planes_of(picture.video) for picture in islice(self.pictures(), count)]

    def close(self) -> None:
        self._container.close()


def webcam_device(text: str, platform: str) -> tuple[str, str]:
    """(device, ffmpeg's driver) of `webcam` or `webcam:N`. ClipError where N is no number or the platform unknown."""
    number = text.removeprefix(WEBCAM).removeprefix(":") or "0"
    if not (number.isascii() and number.isdigit() and len(number) < 4):
        raise ClipError(f"{text}: give webcam or webcam:N with a number, for example webcam:0")
    driver = _DRIVERS.get(platform)
    if driver is None:
        raise ClipError(f"no driver for cameras on {platform}; send a file or the test picture (--input test)")
    device = {"v4l2": f"/dev/video{number}", "avfoundation": f"{number}:none", "dshow": f"video={number}"}[driver]
    return device, driver


def _open_camera(device: str, driver: str, options: dict[str, str]) -> av.container.InputContainer:
    import av

    try:
        return av.open(device, format=driver, options=options)
    except (av.FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClipError(
            f"{device}: cannot open this camera ({reason}); plug one in, give another (webcam:1), or send the test "
            "picture (--input test)"
        ) from error


def video_frame(planes: Planes) -> av.VideoFrame:
    """A picture as ffmpeg's frame, copied. y (H, W), u and v (H/2, W/2), uint8."""
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, pixels in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: pixels.shape[0], : pixels.shape[1]] = pixels
    frame.time_base = Fraction(1, 1_000_000)
    return frame
