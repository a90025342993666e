"""Opens whatever holds video: a file that ffmpeg reads, a raw one of stated size, or standard input (`-`).

Owns which stream of a file is the film, and what is said of a file that has none. Decodes nothing.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grace_codec.errors import ClipError
from grace_codec.media.geometry import MAX_SOURCE_SIDE_PX, Size

if TYPE_CHECKING:
    import av

MAX_FPS: Final = 240.0
MIN_FPS: Final = 0.1
STDIN: Final = "-"
RAW_SUFFIXES: Final = (".yuv", ".i420", ".iyuv", ".raw", ".rgb", ".nv12")
DEFAULT_FPS: Final = 25.0

_NAMED_SIZE: Final = re.compile(r"(?<![0-9])([1-9][0-9]{1,4})[xX]([1-9][0-9]{1,4})(?![0-9])")
_NAMED_FPS: Final = re.compile(r"(?<![0-9.x])([1-9][0-9]{0,2}(?:\.[0-9]{1,3})?)(?:fps|hz|p)?(?=[_.-]|$)", re.IGNORECASE)
_TESTED_PACKETS: Final = 600
_TESTED_BYTES: Final = 64 << 20
_NEARLY: Final = 0.02
_TS_DISCONT: Final = 0x0200  # AVFMT_TS_DISCONT
_REORDERED: Final = 16  # frames that a later one may precede in the order of decoding
_REORDERED_S: Final = 1.0
JUMP_S: Final = 10.0
"""In formats whose clock may jump (MPEG-TS), a longer way to the next frame is a new beginning, as in ffmpeg."""


@dataclass(frozen=True, slots=True)
class RawLayout:
    """What a file of raw frames does not say itself."""

    size: Size
    fps: float
    pix_fmt: str

    @property
    def frame_bytes(self) -> int | None:
        """None where an odd size makes it hard to say. Raises ValueError for an unknown pixel format."""
        import av

        width, height = self.size
        bits = av.VideoFormat(self.pix_fmt, width, height).padded_bits_per_pixel
        return None if width % 2 or height % 2 else width * height * bits // 8


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a person said about a source: of a raw file its layout, of others what to make of them."""

    size: Size | None = None
    fps: float | None = None
    pix_fmt: str | None = None


def is_raw(path: str, pix_fmt: str | None) -> bool:
    return pix_fmt is not None or Path(path).suffix.lower() in RAW_SUFFIXES


def raw_layout(path: str, options: SourceOptions) -> RawLayout:
    """The layout of a raw file, from what was said and from its name (foreman_352x288_30.yuv).

    Raises ClipError where the size is not known, or where the file cannot have it."""
    stem = Path(path).stem
    named = _NAMED_SIZE.search(stem)
    size = options.size or ((int(named[1]), int(named[2])) if named else None)
    if size is None:
        raise ClipError(f"{path}: raw frames; say what they are: --size 352x288 --fps 30 --pix-fmt yuv420p")
    rate = _NAMED_FPS.search(_NAMED_SIZE.sub("", stem))
    fps = options.fps or (float(rate[1]) if rate and MIN_FPS <= float(rate[1]) <= MAX_FPS else DEFAULT_FPS)
    suffix = Path(path).suffix.lower()
    pix_fmt = options.pix_fmt or {".nv12": "nv12", ".rgb": "rgb24"}.get(suffix, "yuv420p")
    try:
        layout = RawLayout(size, fps, pix_fmt)
        frame_bytes = layout.frame_bytes
    except ValueError as error:
        raise ClipError(f"{path}: {pix_fmt!r} is no pixel format; one is yuv420p, see ffmpeg -pix_fmts") from error
    if Path(path).is_file() and frame_bytes is not None:
        have = Path(path).stat().st_size
        if have % frame_bytes:
            raise ClipError(
                f"{path}: {have} bytes are no whole number of {size[0]}x{size[1]} {pix_fmt} frames of {frame_bytes} "
                "bytes; give the right --size and --pix-fmt"
            )
    return layout


def check_file(path: Path) -> None:
    """Raise ClipError where there is no file with something in it."""
    if not path.exists():
        raise ClipError(f"{path}: no such file; give a video file, or a built-in clip such as builtin:talk")
    if path.is_dir():
        raise ClipError(f"{path}: not a file; give a video file")
    if path.is_file() and path.stat().st_size == 0:
        raise ClipError(f"{path}: the file is empty (0 bytes); copy or download it again")


def open_container(path: str, layout: RawLayout | None) -> av.container.InputContainer:
    """ClipError for anything that ffmpeg does not read. Playlists may not reach for other protocols than files."""
    import av

    form, options = None, {"protocol_whitelist": "file"}
    if layout is not None:
        form = "rawvideo"
        width, height = layout.size
        rate = Fraction(layout.fps).limit_denominator(1001)
        options |= {"video_size": f"{width}x{height}", "framerate": str(rate), "pixel_format": layout.pix_fmt}
    try:
        if path == STDIN:
            return av.open(sys.stdin.buffer, "r", format=form, options={} if layout is None else options)
        return av.open(f"file:{path}", "r", format=form, options=options)
    except (av.FFmpegError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = "is it video? If it holds raw frames: --size 352x288 --fps 30 --pix-fmt yuv420p"
        raise ClipError(f"{path}: not a readable video ({reason}); {advice}") from error


def film_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    """The stream that a player shows: no cover art and no thumbnails, the default one before others, then the largest.

    Raises ClipError where there is none, or where its frames are too large."""
    from av.stream import Disposition

    no_film = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & no_film]
    if not streams:
        pictures = "only cover art" if container.streams.video else "no video stream"
        raise ClipError(f"{path}: the file has {pictures}; give a file with video")

    def rank(stream: av.VideoStream) -> tuple[bool, int, int]:
        return bool(stream.disposition & Disposition.default), stream.width * stream.height, -stream.index

    film = max(streams, key=rank)
    if max(film.width, film.height) > MAX_SOURCE_SIDE_PX:
        size = f"{film.width}x{film.height}"
        raise ClipError(f"{path}: frames of {size}; at most {MAX_SOURCE_SIDE_PX} px a side can be read")
    return film


def stated_rate(stream: av.VideoStream) -> float:
    """Frames per second as the container or the codec states it, within MIN_FPS to MAX_FPS."""
    rate = stream.average_rate or stream.guessed_rate
    return min(max(float(rate), MIN_FPS), MAX_FPS) if rate else DEFAULT_FPS


@dataclass(frozen=True, slots=True)
class FrameRate:
    """Of a stream. `stated`: by its container. `mean`: by the times of its first frames, what counts. `peak`: of the
    shortest intervals (10th percentile); more than `mean` where the rate varies."""

    stated: float
    mean: float
    peak: float


def stated_rates(stream: av.VideoStream) -> FrameRate:
    """Of a pipe, whose frames cannot be looked at beforehand."""
    stated = stated_rate(stream)
    return FrameRate(stated, stated, stated)


def frame_rate(path: str, layout: RawLayout | None) -> FrameRate:
    """Measured on the times of the first packets, without decoding; a pipe is believed."""
    with open_container(path, layout) as container:
        stream = film_stream(container, path)
        stated = stated_rate(stream)
        times = [] if layout is not None else _first_times(container, stream)
    gaps = sorted(later - earlier for earlier, later in pairwise(times) if later > earlier)
    if not gaps:
        return FrameRate(stated, stated, stated)
    mean = _snapped(len(gaps) / sum(gaps), stated)
    return FrameRate(stated, mean, max(mean, _snapped(1 / gaps[len(gaps) // 10], stated)))


def _first_times(container: av.container.InputContainer, stream: av.VideoStream) -> list[float]:
    """Presentation times in seconds, in order, up to the first jump (of a file that was put together)."""
    import av

    longest_s = JUMP_S if clock_may_jump(container) else float("inf")
    times: list[float] = []
    seen_bytes = 0
    try:
        for packet in container.demux():
            seen_bytes += packet.size
            if packet.stream_index == stream.index and packet.pts is not None and packet.time_base is not None:
                at_s = float(packet.pts * packet.time_base)
                if times and not -_REORDERED_S < at_s - max(times[-_REORDERED:]) < longest_s:
                    break
                times.append(at_s)
            if len(times) >= _TESTED_PACKETS or seen_bytes > _TESTED_BYTES:
                break
    except (av.FFmpegError, ValueError, OSError):
        pass  # what was read before the damage says enough
    return sorted(set(times))


def _snapped(measured: float, stated: float) -> float:
    """The stated rate where the measured one differs by no more than a container's clock rounds."""
    rate = stated if abs(measured - stated) <= _NEARLY * stated else measured
    return min(max(rate, MIN_FPS), MAX_FPS)


def clock_may_jump(container: av.container.InputContainer) -> bool:
    """Whether times of this format may begin anew in mid-stream without meaning it (broadcast streams)."""
    return bool(container.format.flags & _TS_DISCONT)
