"""Frames as ffmpeg has them to frames as the codec takes them: upright, square pixels, one size, one colour space.

Owns the chain of libavfilter filters. Knows no file and no time. A frame is only read, never changed: several
converters on several threads may work on the same one (a shared frame of aiortc's MediaRelay).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from grace_codec.errors import ClipError
from grace_codec.media.colour import Colour, colour_of, tag, tone_mapping_cube
from grace_codec.media.geometry import Size, coded_size, square_pixel_size
from grace_codec.media.orientation import Steps, swaps_sides, upright
from grace_codec.types import Planes

if TYPE_CHECKING:
    import av

_SAME_SHAPE: Final = 0.02  # two aspect ratios that differ by less are shown without bars
_DIRECT: Final = "yuv420p"
_DEEP: Final = "yuv420p10le"


@dataclass(frozen=True, slots=True)
class _Input:
    """What a chain of filters is made for."""

    size: Size
    format: str
    depth: int
    range: int
    matrix: int
    colour: Colour
    steps: Steps


class FrameConverter:
    """Brings every frame to one size, which is that of the first frame unless it is given. Not thread-safe.

    A later frame of another size is scaled to it; where the shape is another one, black bars fill the rest."""

    def __init__(
        self,
        size: Size | None = None,
        aspect: Fraction | None = None,
        by_size: bool = False,
        scaler: str = "bicubic",
        stretch: bool = True,
    ) -> None:
        """`size`: (width, height), to which any shape is stretched, or with `stretch` False fitted. `aspect`: width by
        height of a pixel of the source. `by_size`: untagged frames have the matrix that players take for their size,
        otherwise BT.601. `scaler`: of libswscale."""
        self.size = size
        self.shown: Size | None = None  # at which a player shows the newest frame
        self._stretch = stretch and size is not None
        self._aspect, self._by_size, self._scaler = aspect, by_size, scaler
        self._input: _Input | None = None
        self._chain: _Chain | None = None

    def planes(self, frame: av.VideoFrame) -> Planes:
        """The frame as coded, in arrays of its own. Raises ClipError where this build of ffmpeg cannot convert it."""
        return planes_of(self._converted(frame))

    def frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as coded and tagged so, with the time of the given one; the given one itself where nothing is to
        do."""
        converted = self._converted(frame)
        if converted is not frame:
            converted.pts = frame.pts
            if frame.time_base is not None:
                converted.time_base = frame.time_base
            tag(converted)
        return converted

    def _converted(self, frame: av.VideoFrame) -> av.VideoFrame:
        given = _Input(
            (frame.width, frame.height),
            frame.format.name,
            max(component.bits for component in frame.format.components),
            frame.color_range,
            frame.colorspace,
            colour_of(frame, self._by_size),
            upright(frame),
        )
        if given != self._input:
            self._chain = self._made_for(given)
            self._input = given
        return frame if self._chain is None else self._chain.run(frame)

    def _displayed_size(self, size: Size, steps: Steps) -> Size:
        width, height = square_pixel_size(size, self._aspect)
        return (height, width) if swaps_sides(steps) else (width, height)

    def _made_for(self, given: _Input) -> _Chain | None:
        """None where a frame can be taken as it is."""
        shown = self.shown = self._displayed_size(given.size, given.steps)
        if self.size is None:
            self.size = coded_size(shown)
        inner = self.size if self._stretch else _fitted(shown, self.size)
        turned = given.size[::-1] if swaps_sides(given.steps) else given.size
        steps = list(given.steps)
        if inner == (turned[0] & ~1, turned[1] & ~1) and inner != turned:
            steps.append(("crop", f"{inner[0]}:{inner[1]}:0:0"))
            turned = inner
        steps += _colour_steps(given, turned != inner, inner, self._scaler)
        if inner != self.size:
            left, top = ((whole - part) // 4 * 2 for whole, part in zip(self.size, inner, strict=True))
            steps.append(("pad", f"{self.size[0]}:{self.size[1]}:{left}:{top}:black"))
        return _Chain(given, steps) if steps else None


def _colour_steps(given: _Input, scaled: bool, size: Size, scaler: str) -> list[tuple[str, str]]:
    """Scaling, pixel format, range, matrix and primaries."""
    colour = given.colour
    scale = f"{size[0]}:{size[1]}:flags={scaler}+accurate_rnd+full_chroma_int"
    if colour.rgb:
        to = f"{scale}:out_range=tv:out_color_matrix=smpte170m"
        return [_stated("gbr", "pc"), ("scale", to), ("format", _DIRECT)]
    if colour.hdr:
        return [
            _stated(colour.matrix_name, "pc" if colour.full else "tv"),
            ("scale", f"{scale}:out_range=pc"),
            ("format", "gbrp12"),
            ("lut3d", "interp=tetrahedral:file={cube}"),
            _stated("gbr", "pc"),
            ("scale", "flags=accurate_rnd+full_chroma_int:out_range=tv:out_color_matrix=smpte170m"),
            ("format", _DIRECT),
        ]
    steps: list[tuple[str, str]] = []
    value_range = "pc" if colour.full else "tv"
    if scaled or given.format != _DIRECT:
        keep = f"in_color_matrix={colour.matrix_name}:out_color_matrix={colour.matrix_name}"
        keep += f":in_range={value_range}:out_range={value_range}"
        steps += [
            _stated(colour.matrix_name, value_range),
            ("scale", f"{size[0]}:{size[1]}:flags={scaler}+accurate_rnd:{keep}"),
            ("format", _DEEP if given.depth > 8 and not colour.coded else _DIRECT),
        ]
    if not colour.coded:
        source = f"ispace={colour.matrix_name}:iprimaries={colour.primaries_name}:itrc=bt709:irange={value_range}"
        steps.append(("colorspace", f"space=smpte170m:primaries=bt709:trc=bt709:range=tv:{source}:format={_DIRECT}"))
    return steps


def _stated(matrix: str, value_range: str) -> tuple[str, str]:
    """Resolved tags: filters refuse some of those that files have, and take others for a wish to convert."""
    return "setparams", f"colorspace={matrix}:range={value_range}:color_primaries=bt709:color_trc=bt709"


def _fitted(shown: Size, into: Size) -> Size:
    """The largest even size of the shape of `shown` within `into`; `into` itself where the shapes are nearly equal or
    where `into` is what `shown` is coded at."""
    if coded_size(shown) == into or abs(shown[0] * into[1] / (shown[1] * into[0]) - 1) < _SAME_SHAPE:
        return into
    scale = min(into[0] / shown[0], into[1] / shown[1])
    width, height = (max(2, min(most, round(side * scale / 2) * 2)) for side, most in zip(shown, into, strict=True))
    return width, height


class _Chain:
    """A configured graph: one frame in, one frame out."""

    def __init__(self, given: _Input, steps: list[tuple[str, str]]) -> None:
        import av

        width, height = given.size
        self._graph = av.filter.Graph()
        self._graph.threads = 1  # the caller's: frames are small beside what coding them takes
        source = f"video_size={width}x{height}:pix_fmt={given.format}:time_base=1/1000000"
        last = self._source = self._graph.add("buffer", f"{source}:colorspace={given.matrix}:range={given.range}")
        cube = _cube_file(given.colour.transfer) if given.colour.hdr else None
        try:
            for name, arguments in steps:
                node = self._graph.add(name, arguments.format(cube=cube) or None)
                last.link_to(node)
                last = node
            self._sink = self._graph.add("buffersink")
            last.link_to(self._sink)
            self._graph.configure()
        except (av.FFmpegError, ValueError) as error:
            wanted = " ".join(name for name, _ in steps)
            raise ClipError(f"cannot convert {given.format} video of {width}x{height} ({wanted}: {error})") from error
        finally:
            if cube is not None:
                os.unlink(cube)

    def run(self, frame: av.VideoFrame) -> av.VideoFrame:
        import av

        try:
            self._source.push(frame)
            converted = self._sink.pull()
        except (av.FFmpegError, ValueError) as error:
            raise ClipError(f"cannot convert a frame of {frame.width}x{frame.height} ({error})") from error
        assert isinstance(converted, av.VideoFrame)
        return converted


def _cube_file(transfer: int) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".cube", prefix="grace-", delete=False) as file:
        file.write(tone_mapping_cube(transfer))
    return file.name


def planes_of(frame: av.VideoFrame) -> Planes:
    """The planes of a yuv420p frame of even size, copied out of ffmpeg's memory."""
    rows = ((np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size), plane) for plane in frame.planes)
    y, u, v = (lines[: plane.height, : plane.width].copy() for lines, plane in rows)
    return y, u, v


def video_frame(planes: Planes) -> av.VideoFrame:
    """A coded frame as ffmpeg's, copied and tagged. y (H, W), u and v (H/2, W/2), uint8."""
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, _DIRECT)
    for plane, pixels in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: pixels.shape[0], : pixels.shape[1]] = pixels
    frame.time_base = Fraction(1, 1_000_000)
    tag(frame)
    return frame
