"""The motion field: one vector per block of 16x16 luma samples, counted in quarter pels. Sizes and types alone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.types import Plane

Motion = npt.NDArray[np.int16]
"""(2, H16, W16) vectors (x, y) in quarter pels of luma, from a block to where it is predicted from in the reference."""

Flags = npt.NDArray[np.bool_]

BLOCK = 16  # luma samples a side; a chroma block has 8
MAX_VECTOR = 184  # quarter pels, either component: 46 luma samples

LEAST_BIT_PRICE = 0.5
"""What one bit of a vector has to save where bits are plenty, in sum of absolute differences (SAD)."""


def grid(height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the motion field of a frame of (height, width) luma samples."""
    return -(-height // BLOCK), -(-width // BLOCK)


def whole_blocks(plane: Plane, block: int) -> Plane:
    """The plane with its size rounded up to whole blocks by repeating its edge, C-contiguous; itself where nothing is
    missing."""
    down, right = -plane.shape[0] % block, -plane.shape[1] % block
    if down or right:
        plane = np.asarray(cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return np.ascontiguousarray(plane)


def coarsened(motion: Motion, cell: int) -> Motion:
    """The field with one vector for each `cell` x `cell` blocks, the median of theirs: nearly free to code."""
    _, rows, columns = motion.shape
    padded = np.pad(motion, ((0, 0), (0, -rows % cell), (0, -columns % cell)), mode="edge")
    cells = padded.reshape(2, padded.shape[1] // cell, cell, padded.shape[2] // cell, cell)
    medians = np.median(cells, axis=(2, 4)).astype(np.int16)
    return np.ascontiguousarray(medians.repeat(cell, 1).repeat(cell, 2)[:, :rows, :columns])
