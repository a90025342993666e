"""The loops of block motion in C (`native/motion.c`), with types: interpolation, overlapped compensation, search.

Arrays must be C-contiguous; sizes are in pixels, vectors in quarter pels (x, y). Every function does a range of rows,
so that threads can share the work; no result depends on how the rows are shared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grace_codec.native import call
from grace_codec.types import Plane

BESIDE = 8  # px beyond the frame's edge that are interpolated; farther out a filter sees only the repeated edge
_STRIP_ROWS = 40  # of interpolation's scratch memory

Floats = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]


class SubpelPlanes(NamedTuple):
    """A frame moved by each of 16 quarter-pel fractions.

    pixels: (16, H + 2·margin, W + 2·margin or more), plane 4·x + y; margin: pixels around the frame."""

    pixels: npt.NDArray[np.uint8]
    margin: int

    @property
    def layout(self) -> tuple[int, int, int]:
        """Rows of a plane, bytes of a row, margin."""
        return self.pixels.shape[1], self.pixels.shape[2], self.margin


def subpel_planes(frame: Plane, taps: Floats, first: int, last: int, out: SubpelPlanes) -> None:
    """Interpolate rows first..last - 1 of the H + 2·BESIDE that lie at most BESIDE px beyond an edge.

    frame: (H, W), W a multiple of 8; taps: (4, 8) in 64ths."""
    height, width = frame.shape
    rows, stride, margin = out.layout
    scratch = np.empty(_STRIP_ROWS * (width + 2 * BESIDE), np.float32)
    call("subpel_planes", frame, height, width, taps, margin, rows, stride, first, last, out.pixels, scratch)


def overlap(
    source: Plane, field: Vectors, side: int, taps: Floats, window: Floats, first: int, last: int, out: Plane
) -> None:
    """Overlapped compensation of a plane (H, W) into block rows first..last - 1 of out, its size rounded up to blocks.

    field: (rows + 2, columns + 2, 2), edges repeated once around; side: 16 or 8 px; taps: (4, 8) in 64ths;
    window: (3·side, 3·side) in 4096ths."""
    height, width = source.shape
    columns = field.shape[1] - 2
    call("overlap", source, height, width, field, columns, side, taps, window, first, last, out)


def choose(
    current: Plane, reference: Plane, taps: Floats, active: Flags, offers: Vectors, still_bonus: int, first: int,
    last: int, vectors: Vectors,
) -> None:  # fmt: skip
    """Of no motion and of `offers` (n, rows, columns, 2), the vector with the least sum of absolute differences (SAD)
    for each active block, in block rows first..last - 1.

    current, reference: whole blocks; still_bonus: SAD that no motion is forgiven; vectors: (rows, columns, 2), zero
    before."""
    height, width = reference.shape
    call(
        "choose", current, reference, height, width, taps, active, offers, len(offers), still_bonus,
        first, last, vectors,
    )  # fmt: skip


def obmc_total(planes: SubpelPlanes, window: Floats, field: Vectors, first: int, last: int, total: Floats) -> None:
    """The overlapped prediction in 4096ths, not rounded, into block rows first..last - 1 of total (H, W).

    field: with a ring of blocks around, as in `overlap`."""
    height, width = total.shape
    call(
        "obmc_total", planes.pixels, *planes.layout, window, field, field.shape[1] - 2, height, width,
        first, last, total,
    )  # fmt: skip


class Refinement(NamedTuple):
    """What `refine` works on; field, stale and total are changed in place.

    current: (H, W); planes: of its reference; window: (48, 48) in 4096ths; prices: SAD in 64ths that a component costs
    which differs by d quarter pels from its neighbours' median, int32; active: (rows, columns) blocks to search; limit:
    largest component; with a ring of blocks around: stale, blocks to look at because they or a neighbour changed, and
    field, the vectors (…, 2); total: (H, W), the `obmc_total` of field."""

    current: Plane
    planes: SubpelPlanes
    window: Floats
    prices: npt.NDArray[np.int32]
    active: Flags
    limit: int
    stale: Flags
    field: Vectors
    total: Floats


def refine(work: Refinement, start: int, first: int, last: int) -> None:
    """Better vectors for the active blocks of rows 3·r + start, r in first..last - 1. Windows of two such rows do not
    touch, so any part of them may be done at any time."""
    height, width = work.current.shape
    call(
        "refine", work.current, height, width, work.planes.pixels, *work.planes.layout, work.window, work.prices,
        work.active, *work.active.shape, work.limit, start, first, last, work.stale, work.field, work.total,
    )  # fmt: skip
