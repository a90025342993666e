"""Frame sizes: what can be coded, and which size a source of any shape gets. Pure; knows no file and no pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from grace_codec.errors import ClipError

Size = tuple[int, int]
"""(width, height) in pixels."""

MIN_SIDE_PX: Final = 64
MAX_SIZE_PX: Final = (1920, 1080)
"""The largest frame that can be coded, lying or standing."""

MAX_SOURCE_SIDE_PX: Final = 8192
_SANE_ASPECTS: Final = (Fraction(1, 8), Fraction(8))


def parse_size(text: str | None) -> Size | None:
    """WIDTHxHEIGHT as numbers, None for None. Raises ValueError for anything else."""
    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    if not cross or not width.isdecimal() or not height.isdecimal():
        raise ValueError(f"size {text!r} is not WIDTHxHEIGHT, for example 640x360")
    return int(width), int(height)


def check_size(width: int, height: int, what: str) -> None:
    """Raise ClipError where a frame of this size cannot be coded. `what` begins the message."""
    if width % 2 or height % 2:
        raise ClipError(f"{what} is {width}x{height}: both sides must be even (yuv420)")
    short, long = sorted((width, height))
    high, wide = sorted(MAX_SIZE_PX)
    if short < MIN_SIDE_PX or short > high or long > wide:
        bounds = f"{MIN_SIDE_PX}x{MIN_SIDE_PX} to {wide}x{high} or {high}x{wide}"
        raise ClipError(f"{what} is {width}x{height}: outside {bounds}; scale it (--size 640x360)")


def square_pixel_size(size: Size, aspect: Fraction | None) -> Size:
    """The size at which a frame with this sample aspect ratio is displayed: never fewer lines or columns than it has.

    An aspect ratio of 0, or one that no camera or disc has, counts as square."""
    width, height = size
    if not aspect or not _SANE_ASPECTS[0] <= aspect <= _SANE_ASPECTS[1]:
        return size
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def coded_size(size: Size) -> Size:
    """The size at which a source is coded by default: its own where possible, else the nearest one of the same shape.

    Odd sides lose a line or a column. Larger sources are scaled to fit MAX_SIZE_PX, lying or standing, smaller ones so
    that the short side has MIN_SIDE_PX. Of a shape that fits neither way (more than 30:1) the long side is cut short.
    """
    fitted = size[0] & ~1, size[1] & ~1
    if _fits(fitted):
        return fitted
    high, wide = sorted(MAX_SIZE_PX)
    scale = min(Fraction(high, min(size)), Fraction(wide, max(size)))
    if scale > 1:
        scale = min(scale, Fraction(MIN_SIDE_PX, min(size)))
    width, height = (max(MIN_SIDE_PX, round(side * scale / 2) * 2) for side in size)
    return width, height


def _fits(size: Size) -> bool:
    try:
        check_size(*size, "")
    except ClipError:
        return False
    return True
