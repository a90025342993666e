"""The classical transform that the networks start from: a block DCT, and how a 16x16 position lays out its frequencies.

Residual coding: what motion compensation leaves over is small and, within a block, correlated. The DCT concentrates its
energy in few low frequencies, so that after quantization most coefficients are zero, which the entropy coder codes for
almost nothing. An orthonormal transform keeps squared errors, so quantizing coefficients by a step costs the frame the
same error wherever it falls. The learned branches add to this transform; with all their weights at zero it is what
remains.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

POSITION = 16  # luma px per latent position; the transform itself is 8x8 for luma and chroma
LUMA_FREQUENCIES = 56  # of 64: the higher ones cost 18 % at the highest rates when cut, nothing beyond these
CHROMA_FREQUENCIES = 22
CHANNELS = 4 * LUMA_FREQUENCIES + 2 * CHROMA_FREQUENCIES

LOST_FREQUENCIES = 6  # luma frequencies whose loss the decoder is told of, per sub-block
LOST_FLAGS = 4 * LOST_FREQUENCIES + 1  # and whether the vector was lost

# Perceptual scale: the step grows with the fourth root of the prediction's local variance, as SSIM's tolerance does
# (divisive normalization). Measured: 5-6 % less rate at equal SSIM.
SCALE_FLOOR, SCALE_UNIT, SCALE_POWER = 100.0, 200.0, 0.25
SCALE_MIN, SCALE_MAX = 0.5, 2.5

# Quantization. In a channel of mean magnitude m, z is 0 where |z| < 0.5 + ONE_PRICE·(bits of a one over a zero), kept
# within the dead zones; else floor(|z| + 0.5 − UNIT_PRICE·(bits per unit)), at least 1. For m, magnitudes are taken as
# floor(|z| + MEAN_ROUNDING) outside DEAD_ZONE. Then 8x8 luma blocks are left out whole where all their values together
# move no pixel by VISIBLE: rounding to 8 bits would undo that or scatter it over single pixels, to be coded again in
# the next frame (talk_desk at 1.5 Mbit/s, equal bytes: +0.6 dB of SSIM, +1.1 after 15 frames).
DEAD_ZONE, MAX_DEAD_ZONE = 0.95, 1.3
ONE_PRICE, UNIT_PRICE = 0.1, 0.15
MIN_ROUNDING, MEAN_ROUNDING = 0.05, 0.33
VISIBLE = 0.6  # px: half a pixel value, over the local scale of flat blocks
MAX_SHRINK = 0.45  # steps by which dequantization may move a value towards zero, or away from it

RANGE = 32.0  # residuals are divided by this before a learned branch sees them


def dct(size: int) -> Matrix:
    """Orthonormal DCT-II, rows are frequencies: (size, size)."""
    k, i = np.arange(size)[:, None], np.arange(size)[None]
    rows = np.cos(math.pi * (i + 0.5) * k / size) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows.astype(np.float32)


def low_first(size: int, count: int) -> list[tuple[int, int]]:
    """The `count` lowest (row, column) frequencies of a square block."""
    every = [(i, j) for i in range(size) for j in range(size)]
    return sorted(every, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))[:count]


def basis(count: int) -> Matrix:
    """(count, 64): 8x8 patterns, low frequencies first; orthonormal rows."""
    d = dct(8)
    return np.stack([np.outer(d[i], d[j]).ravel() for i, j in low_first(8, count)])


def reach(count: int) -> Matrix:
    """(count,): by how much a coefficient of 1 moves the pixel that it moves most; frequencies as in `basis`."""
    return np.asarray(np.abs(basis(count)).max(1), np.float32)
