"""The ladder of operating points: frame sizes and frame rates in the order in which a sender gives them up.

The order of operating points is that of libwebrtc's balanced degradation preference: the smaller the frame, the fewer
frames per second are accepted before it shrinks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Limits", "OperatingPoint", "ladder"]

_SCALES: Final = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8, 3 / 32, 1 / 16)  # as libwebrtc: by 3/4 and 2/3 in turn
_RATES: Final = (60.0, 50.0, 40.0, 30.0, 25.0, 20.0, 15.0, 12.5, 10.0, 7.5, 5.0)
_LOWEST_FPS: Final = ((640 * 480, 20.0), (480 * 360, 15.0), (320 * 240, 12.5), (240 * 180, 10.0), (160 * 120, 7.5))
"""(px, fps): a frame of more px than this is not sent fewer times per second, it shrinks instead."""
_ANY_FPS: Final = 5.0
_MIN_SIDE_PX: Final = 64
_MAX_SIZE_PX: Final = (1920, 1080)
_BLOCK_PX: Final = 16


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Frame size in px, both sides even, and frames per second."""

    width: int
    height: int
    fps: float

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.width * self.height

    @property
    def interval_us(self) -> int:
        """From one frame to the next."""
        return round(1_000_000 / self.fps)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {self.fps:.3g} fps"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far down it may go. `min_bits_per_pixel`: with less for a pixel of a frame, fewer
    frames or fewer pixels look better (measured with grace-lite: docs/call.md)."""

    min_side_px: int = 96
    min_fps: float = 5.0
    min_bits_per_pixel: float = 0.025


def ladder(source: OperatingPoint, limits: Limits | None = None) -> tuple[OperatingPoint, ...]:
    """Operating points from `source` down: each needs fewer pixels per second than the one before.

    Sizes keep the aspect ratio, have even sides and fill 16x16 blocks as far as that goes."""
    limits = limits or Limits()
    sizes = list(_sizes(source, limits))
    rates = [source.fps, *(rate for rate in _RATES if limits.min_fps <= rate < source.fps)]
    points, size, rate = [], 0, 0
    while True:
        width, height = sizes[size]
        points.append(OperatingPoint(width, height, rates[rate]))
        lowest_fps = _ANY_FPS if size == len(sizes) - 1 else _lowest_fps(width * height)
        if rate + 1 < len(rates) and rates[rate + 1] >= lowest_fps:
            rate += 1
        elif size + 1 < len(sizes):
            size += 1
        elif rate + 1 < len(rates):
            rate += 1
        else:
            return tuple(points)


def _lowest_fps(pixels: int) -> float:
    return next((fps for above, fps in _LOWEST_FPS if pixels > above), _ANY_FPS)


def _sizes(source: OperatingPoint, limits: Limits) -> Iterator[tuple[int, int]]:
    """The largest size first: the source's own, or the largest of its shape that can be coded."""
    fit = min(1.0, _MAX_SIZE_PX[0] / source.width, _MAX_SIZE_PX[1] / source.height)
    smallest_px = max(_MIN_SIDE_PX, min(limits.min_side_px, source.width, source.height))
    previous: tuple[int, int] | None = None
    for scale in _SCALES:
        size = _size_near(source, scale * fit)
        if min(size) < (_MIN_SIDE_PX if previous is None else smallest_px):
            break
        if size != previous:
            yield size
        previous = size
    if previous is None:
        raise ValueError(f"frames of {source.width}x{source.height}: both sides must be {_MIN_SIDE_PX} px or more")


def _size_near(source: OperatingPoint, scale: float) -> tuple[int, int]:
    """The even size within 8 % of the scale that loses least: to padding, to a bent aspect ratio, to the distance."""
    if scale == 1:
        return source.width & ~1, source.height & ~1

    def loss(size: tuple[int, int]) -> float:
        width, height = size
        padding = -(-width // _BLOCK_PX) * -(-height // _BLOCK_PX) * _BLOCK_PX**2 / (width * height) - 1
        bent = abs(width * source.height / (height * source.width) - 1)
        return padding / 3 + 4 * bent + abs(width / (source.width * scale) - 1)

    reach = source.width * scale
    widths = range(max(2, 2 * round(reach * 0.46)), min(2 * int(reach * 0.54), source.width) + 1, 2)
    sizes = [(width, max(2, 2 * round(width * source.height / source.width / 2))) for width in widths]
    inside = [size for size in sizes if size[0] <= _MAX_SIZE_PX[0] and size[1] <= _MAX_SIZE_PX[1]]
    return min(inside, key=loss, default=(2 * round(reach / 2), 2 * round(source.height * scale / 2)))
