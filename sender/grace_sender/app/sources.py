"""Where frames come from: a file, a built-in scene, a webcam. Owns reading and what can go wrong with it.

A source is read on a thread of its own and knows no time, except a webcam, whose frames come when they come.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Final, Protocol

from grace_codec.errors import ClipError
from grace_codec.media import (
    BUILTIN,
    ClipOptions,
    FrameConverter,
    TimedPlanes,
    VideoClip,
    check_size,
    coded_size,
    open_clip,
    open_video,
    palindrome,
    planes_of,
    split_i420,
    video_frame,
)
from grace_codec.media.opening import STDIN
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
class SourceFrame:
    """`number`: which frame of the clip this is, as `open_clip` counts; of a webcam, how many came before it.

    `at_us`: when it is shown, from the first frame on; None: one interval of the source's rate after the last one."""

    number: int
    video: av.VideoFrame
    at_us: int | None = None


class Source(Protocol):
    """Frames of one size. `live`: they come when they come, and only the newest is of interest.

    `fps`: on average. `peak_fps`: where frames follow each other fastest. `notices`: for people, what was done to the
    source and what is wrong with it; whoever shows them empties the list."""

    name: str
    live: bool
    width: int
    height: int
    fps: float
    peak_fps: float
    notices: list[str]

    def frames(self) -> Iterator[SourceFrame]:
        """In order, until the source ends. Raises ClipError where it breaks. Called once, on any one thread."""
        ...

    def preview(self, count: int) -> list[Planes]:
        """The first frames, as yuv420p planes, without taking them from `frames`; a webcam's newest ones."""
        ...

    def close(self) -> None: ...


def open_source(
    text: str, size: tuple[int, int] | None, fps: float | None, loop: bool, pix_fmt: str | None = None
) -> Source:
    """`test`, `builtin:NAME`, `webcam`, `webcam:N`, a file, or `-` (a pipe). ClipError for what cannot be read."""
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
    if loop and text == STDIN:
        raise ClipError("-: a pipe cannot be played again; leave --loop out")
    return VideoFile(text, ClipOptions(size, fps, pix_fmt=pix_fmt), loop)


class LoopedClip:
    """A clip forward, backward, forward ... for ever, as the lab plays it."""

    live = False

    def __init__(self, clip: VideoClip) -> None:
        self._clip = clip
        self.name, self.width, self.height, self.fps = clip.name, clip.width, clip.height, clip.fps
        self.peak_fps = clip.fps
        self.notices: list[str] = []

    def frames(self) -> Iterator[SourceFrame]:
        index, count = 0, None
        while True:
            if count is None:
                try:
                    yield SourceFrame(index, video_frame(self._clip.picture(index)))
                except IndexError:
                    count = self._clip.count()
                    continue
            else:
                number = palindrome(index, count)
                yield SourceFrame(number, video_frame(self._clip.picture(number)))
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


class VideoFile:
    """A file or a pipe from beginning to end, each frame at its own time, once or for ever.

    Looped, a file that fits into CLIP_MEMORY_BYTES goes forward, backward, forward ... as the lab plays it; a longer
    one begins again at its start, so that memory does not grow with it."""

    live = False

    def __init__(self, source: str, options: ClipOptions, loop: bool = False) -> None:
        self._source, self._options, self._loop = source, options, loop
        self._reader = open_video(source, options)
        self.name, self.fps = self._reader.name, self._reader.fps
        self.peak_fps = options.fps or self._reader.rate.peak
        self.width, self.height = self._reader.width, self._reader.height
        self.notices = [self._reader.scaling] if self._reader.scaling else []
        self._frames = self._reader.frames()
        self._ahead: deque[TimedPlanes] = deque()

    def frames(self) -> Iterator[SourceFrame]:
        kept: list[tuple[int, bytes]] | None = [] if self._loop else None
        number = end_us = last_us = 0
        for frame in self._once():
            yield SourceFrame(number, video_frame(frame.planes), frame.at_us)
            number, end_us = number + 1, frame.at_us
            if kept is not None:
                kept.append((frame.at_us, b"".join(plane.tobytes() for plane in frame.planes)))
                if number * len(kept[0][1]) > CLIP_MEMORY_BYTES:
                    kept = None
        if kept is not None:
            yield from self._to_and_fro(kept)
        while self._loop:
            end_us += round(1e6 / self.fps)
            with open_video(self._source, self._options) as self._reader:
                for number, frame in enumerate(self._reader.frames()):
                    last_us = end_us + frame.at_us
                    yield SourceFrame(number, video_frame(frame.planes), last_us)
            end_us = last_us

    def preview(self, count: int) -> list[Planes]:
        self._ahead.extend(islice(self._frames, max(0, count - len(self._ahead))))
        return [frame.planes for frame in islice(self._ahead, count)]

    def close(self) -> None:
        with suppress(ValueError):  # the reading thread is inside it and ends with the process
            self._reader.close()

    def _once(self) -> Iterator[TimedPlanes]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._frames
        if self._reader.damage.text:
            self.notices.append(f"{self.name}: {self._reader.damage.text}")
        self._reader.close()

    def _to_and_fro(self, kept: list[tuple[int, bytes]]) -> Iterator[SourceFrame]:
        """After the first time forward: backward at the same intervals, forward, and so on."""
        at_us, shown, last = kept[-1][0], len(kept) - 1, len(kept) - 1
        for index in count(len(kept)):
            number = palindrome(index, len(kept))
            at_us += abs(kept[number][0] - kept[shown][0]) if last else round(1e6 / self.fps)
            shown = number
            planes = split_i420(kept[number][1], self.width, self.height)
            yield SourceFrame(number, video_frame(planes), at_us)


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
        self.width, self.height = size or coded_size((context.width, context.height))
        check_size(self.width, self.height, f"{device}: its frame")
        self._converter = FrameConverter((self.width, self.height))
        self.fps = self.peak_fps = fps or min(max(float(stream.average_rate or 30), 1.0), 60.0)
        self.notices: list[str] = []

    def frames(self) -> Iterator[SourceFrame]:
        import av

        try:
            for number, frame in enumerate(self._container.decode(video=0)):
                yield SourceFrame(number, self._converter.frame(frame))
        except (av.FFmpegError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ClipError(f"{self.name}: the camera stopped ({reason}); plug it in again") from error

    def preview(self, count: int) -> list[Planes]:
        return [planes_of(frame.video) for frame in islice(self.frames(), count)]

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
