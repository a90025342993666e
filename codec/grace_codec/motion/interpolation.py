"""Samples between samples: a reference at quarter-pel positions, by HEVC's interpolation filters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grace_codec.motion import kernels
from grace_codec.motion.field import BLOCK
from grace_codec.motion.kernels import BESIDE, SubpelPlanes
from grace_codec.runtime.thread_pool import in_parts
from grace_codec.types import Plane

PHASES = 4  # quarter-pel positions per sample, in either direction
PADDING = 80  # luma samples around a frame that are read: MAX_VECTOR / 4 + a ring block + half a window + filter taps

# H.265 section 8.5.3.3.3, in 64ths, one row per quarter-pel position; the sample itself is column 3 (luma), 1 (chroma).
# Chroma vectors are rounded to quarter pels, too: an eighth of a chroma sample shows nowhere.
_LUMA_TAPS = (
    (0, 0, 0, 64, 0, 0, 0, 0),
    (-1, 4, -10, 58, 17, -5, 1, 0),
    (-1, 4, -11, 40, 40, -11, 4, -1),
    (0, 1, -5, 17, 58, -10, 4, -1),
)
_CHROMA_TAPS = ((0, 64, 0, 0), (-4, 54, 16, -2), (-4, 36, 36, -4), (-2, 16, 54, -4))


def taps(block: int) -> npt.NDArray[np.float32]:
    """Filter weights that sum to 1, one row per quarter-pel position: (4, 8) for luma (block 16), (4, 4) for chroma
    (block 8)."""
    return np.array(_LUMA_TAPS if block == BLOCK else _CHROMA_TAPS, np.float32) / np.float32(64)


def _eight_taps(block: int) -> npt.NDArray[np.float32]:
    """(4, 8): as `taps`, in 64ths, with the sample itself in column 3."""
    few = 64 * taps(block)
    spare = (8 - few.shape[1]) // 2
    return np.ascontiguousarray(np.pad(few, ((0, 0), (spare, spare))))


EIGHT_TAPS = {block: _eight_taps(block) for block in (BLOCK, BLOCK // 2)}
"""Filters as the kernels want them, by block size: (4, 8) in 64ths, the sample itself in column 3."""


def interpolate(luma: Plane, out: npt.NDArray[np.uint8]) -> SubpelPlanes:
    """The sub-pel planes of a frame (H, W) with its edge repeated around it: PADDING samples, and what `out` (16, at
    least H + 2·PADDING, at least W + 2·PADDING) has more to the right and at the bottom."""
    planes = SubpelPlanes(out, PADDING)
    height, width = luma.shape
    near, bottom, right = PADDING - BESIDE, PADDING + height + BESIDE, PADDING + width + BESIDE
    whole = luma if width % 8 == 0 else np.pad(luma, ((0, 0), (0, -width % 8)), mode="edge")

    def some_rows(first: int, last: int) -> None:
        kernels.subpel_planes(whole, EIGHT_TAPS[BLOCK], first, last, planes)
        rows = out[:, near + first : near + last]
        rows[:, :, :near], rows[:, :, right:] = rows[:, :, near : near + 1], rows[:, :, right - 1 : right]

    in_parts(some_rows, bottom - near)
    out[:, :near], out[:, bottom:] = out[:, near : near + 1], out[:, bottom - 1 : bottom]
    return planes
