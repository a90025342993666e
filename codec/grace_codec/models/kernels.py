"""The loops of frames as maps of 8x8 px positions in C (`native/networks.c`), with types.

A frame at 1/8 of its size is a map (rows, columns, PACKED): 64 channels of luma, 16 of U, 16 of V, row by row. Every
function does a range of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grace_codec.native import call
from grace_codec.types import Plane, Planes

PACKED = 96

Floats = npt.NDArray[np.float32]


def pack(planes: Planes, first: int, last: int, out: Floats) -> None:
    """A frame (padded to whole blocks) to map rows first..last - 1."""
    call("pack", *planes, out.shape[1], first, last, out)


def unpack(maps: tuple[Floats, Floats, Floats | None], first: int, last: int, out: Planes) -> None:
    """The sum of the maps, rounded to 0..255 (halves to even), to rows of a frame."""
    call("unpack", *maps, maps[0].shape[1], first, last, *out)


def block_sums(luma: Plane, first: int, last: int, sums: Floats, squares: Floats) -> None:
    """Sums of pixels and of their squares by 8x8 px block (rows, columns), block rows first..last - 1."""
    call("block_sums", luma, luma.shape[1] // 8, first, last, sums, squares)


class Patterns(NamedTuple):
    """What a coefficient adds to 8x8 pixels, (frequencies, 64) each."""

    luma: Floats
    u: Floats
    v: Floats


def inverse(
    symbols: npt.NDArray[np.int16], step: Floats, shrink: Floats, scale: Floats, patterns: Patterns, first: int,
    last: int, out: Floats,
) -> None:  # fmt: skip
    """Symbols (C, H16, W16) to a residual map (2·H16, 2·W16, PACKED), rows first..last - 1 of the symbols.

    step, shrink: (C,); scale: (H16, W16). A value is (z − clamp(z, −1, 1)·shrink)·step·scale."""
    _, height, width = symbols.shape
    call(
        "inverse", symbols, step, shrink, scale, patterns.luma, len(patterns.luma), patterns.u, patterns.v,
        len(patterns.u), height, width, first, last, out,
    )  # fmt: skip
