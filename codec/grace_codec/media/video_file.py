"""Reading a video file: decode with ffmpeg (PyAV), choose frames by time, turn upright, scale, crop to even sides.

Owns what a file can do wrong. Knows nothing of looping or keeping pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from grace_codec.errors import ClipError
from grace_codec.types import Plane, Planes

if TYPE_CHECKING:
    import av

"""y (H, W), u and v (H/2, W/2) of one picture, H and W even."""

MIN_SIDE_PX: Final = 64
MAX_SIZE_PX: Final = (1920, 1080)
MAX_SOURCE_SIDE_PX: Final = 8192
MAX_FPS: Final = 240.0
_CLOCK_SLACK_S: Final = 0.001
"""Containers round times to their clock (Matroska: 1 ms); a frame that is this much late is still on time."""


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What to make of a source. None: as the source has it.

    size: (width, height) to scale to, both even. fps: resampled, each output frame shows the newest source frame that
    is not later. start_s, duration_s: the part that is used; a built-in scene is 10 s long unless said otherwise."""

    size: tuple[int, int] | None = None
    fps: float | None = None
    start_s: float = 0.0
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            check_size(*self.size, "the wanted size")
        if self.fps is not None and not 1 <= self.fps <= MAX_FPS:
            raise ClipError(f"frame rate {self.fps:g}: give 1 to {MAX_FPS:g} frames per second")
        if not 0 <= self.start_s < 1e6:
            raise ClipError(f"start {self.start_s:g} s: give 0 or more seconds")
        if self.duration_s is not None and not 0 < self.duration_s < 1e6:
            raise ClipError(f"duration {self.duration_s:g} s: give more than 0 seconds")


def parse_size(text: str | None) -> tuple[int, int] | None:
    """WIDTHxHEIGHT as numbers, None for None. Raises ValueError for anything else."""
    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    if not cross or not width.isdecimal() or not height.isdecimal():
        raise ValueError(f"size {text!r} is not WIDTHxHEIGHT, for example 640x360")
    return int(width), int(height)


def check_size(width: int, height: int, what: str) -> None:
    if width % 2 or height % 2:
        raise ClipError(f"{what} is {width}x{height}: both sides must be even (yuv420)")
    wide, high = MAX_SIZE_PX
    if not (MIN_SIDE_PX <= width <= wide and MIN_SIDE_PX <= height <= high):
        bounds = f"{MIN_SIDE_PX}x{MIN_SIDE_PX} to {wide}x{high}"
        raise ClipError(f"{what} is {width}x{height}: outside {bounds}; scale it (--size 640x360)")


def check_file(path: Path) -> None:
    if not path.exists():
        raise ClipError(f"{path}: no such file; give a video file, or a built-in clip such as builtin:talk")
    if not path.is_file():
        raise ClipError(f"{path}: not a file; give a video file")
    if path.stat().st_size == 0:
        raise ClipError(f"{path}: the file is empty (0 bytes); copy or download it again")


def frame_rate(path: Path) -> float:
    """Average frames per second that the file states (25 where it does not), within 1 to MAX_FPS."""
    with _opened(path) as container:
        return min(max(float(_rate(container.streams.video[0])), 1.0), MAX_FPS)


def _rate(stream: av.VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def _opened(path: Path) -> av.container.InputContainer:
    """The container with a video stream of bearable size. Playlists in the file may not reach for other protocols."""
    import av

    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClipError(f"{path}: not a readable video ({reason}); convert it (ffmpeg -i IN OUT.mp4)") from error
    if not container.streams.video:
        container.close()
        raise ClipError(f"{path}: the file has no video stream; give a file with pictures")
    context = container.streams.video[0].codec_context
    if max(context.width, context.height) > MAX_SOURCE_SIDE_PX:
        container.close()
        raise ClipError(f"{path}: pictures of {context.width}x{context.height}; at most {MAX_SOURCE_SIDE_PX} px a side")
    return container


def file_pictures(path: Path, options: ClipOptions) -> Iterator[Planes]:
    """Decode, pick by time, scale. A frame that is shown twice is scaled once."""
    with _opened(path) as container:
        decoded = _timed_frames(container, path, options.start_s)
        part = _as_they_come(decoded, options) if options.fps is None else _at_rate(decoded, options, options.fps)
        last: av.VideoFrame | None = None
        planes: Planes | None = None
        for frame in part:
            if frame is not last or planes is None:
                last, planes = frame, _planes(frame, options.size, path)
            yield planes


def _timed_frames(
    container: av.container.InputContainer, path: Path, start_s: float
) -> Iterator[tuple[float, av.VideoFrame]]:
    """(time from the stream's start in s, frame), in order. Raises ClipError where decoding breaks."""
    import av

    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    interval_s = float(1 / _rate(stream))
    origin_s = (
        None if stream.start_time is None or stream.time_base is None else float(stream.start_time * stream.time_base)
    )
    count = 0
    last_s = -interval_s
    failures = (av.FFmpegError, ValueError, OSError)  # a local: this may outlive the module when the interpreter exits
    try:
        if start_s > 0 and origin_s is not None:
            container.seek(int((start_s + origin_s) * av.time_base), backward=True)
        for frame in container.decode(stream):
            known = origin_s is not None and frame.time is not None
            at_s = float(frame.time or 0) - (origin_s or 0) if known else last_s + interval_s
            yield at_s, frame
            count, last_s = count + 1, at_s
    except failures as error:
        reason = getattr(error, "strerror", None) or error
        where = f"after {count} frames ({max(0.0, last_s + interval_s):.2f} s)"
        raise ClipError(f"{path}: broken {where}: {reason}; convert it again or give a shorter duration") from error


def _as_they_come(decoded: Iterable[tuple[float, av.VideoFrame]], options: ClipOptions) -> Iterator[av.VideoFrame]:
    end_s = float("inf") if options.duration_s is None else options.start_s + options.duration_s
    for at_s, frame in decoded:
        if at_s >= end_s - _CLOCK_SLACK_S:
            return
        if at_s >= options.start_s - _CLOCK_SLACK_S:
            yield frame


def _at_rate(
    decoded: Iterable[tuple[float, av.VideoFrame]], options: ClipOptions, fps: float
) -> Iterator[av.VideoFrame]:
    """Output n shows the newest frame not later than start + n / fps; the last lasts as long as its forerunner."""
    wanted = float("inf") if options.duration_s is None else max(1, round(options.duration_s * fps))
    start_s, shown, gap_s = options.start_s, 0, 1 / fps
    held: tuple[float, av.VideoFrame] | None = None
    for at_s, frame in decoded:
        if held is None:
            start_s = max(start_s, at_s)
        else:
            gap_s = at_s - held[0]
        while held is not None and shown < wanted and start_s + shown / fps < at_s - _CLOCK_SLACK_S:
            yield held[1]
            shown += 1
        if shown >= wanted:
            return
        held = at_s, frame
    while held is not None and shown < wanted and start_s + (shown + 0.5) / fps <= held[0] + gap_s + _CLOCK_SLACK_S:
        yield held[1]
        shown += 1


def _planes(frame: av.VideoFrame, size: tuple[int, int] | None, path: Path) -> Planes:
    """Scaled, upright, cropped to even sides, as contiguous I420."""
    quarter_turns = round(frame.rotation / 90) % 4
    width, height = size or (frame.width, frame.height)
    if size is not None and quarter_turns % 2:
        width, height = height, width
    picture = frame.reformat(width, height, format="yuv420p", interpolation="BICUBIC")
    y, u, v = (np.rot90(plane, quarter_turns) for plane in _views(picture))
    height, width = y.shape[0] & ~1, y.shape[1] & ~1
    check_size(width, height, f"{path}: the video")
    cut = y[:height, :width], u[: height // 2, : width // 2], v[: height // 2, : width // 2]
    return cut[0].copy(), cut[1].copy(), cut[2].copy()


def planes_of(picture: av.VideoFrame) -> Planes:
    """The planes of a yuv420p picture of even size, copied out of ffmpeg's memory."""
    y, u, v = (plane.copy() for plane in _views(picture))
    return y, u, v


def _views(picture: av.VideoFrame) -> list[Plane]:
    rows = (
        (np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size), plane) for plane in picture.planes
    )
    return [lines[: plane.height, : plane.width] for lines, plane in rows]
