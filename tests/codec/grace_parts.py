"""Small latents, tables and pictures for the tests of the codec."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.entropy.latents import Latents
from grace_codec.entropy.tables import Tables
from grace_codec.motion.field import Motion, grid
from grace_codec.training.fit import start
from grace_codec.types import Planes

LUMA, CHROMA = 6, 4
LEVELS = 17


def small_tables() -> Tables:
    return start(LUMA, CHROMA, 3)


def latents(seed: int, height: int = 4, width: int = 5, scale: float = 0.4, level: int = 8) -> Latents:
    """Sparse residual whose channels grow quieter, and a motion field that is still in parts."""
    draw = np.random.default_rng(seed)
    channels = 4 * LUMA + CHROMA
    loud = scale / (1 + np.arange(channels)[:, None, None] / 4)
    residual = np.rint(draw.laplace(0, 1, (channels, height, width)) * loud).astype(np.int16)
    motion = np.rint(draw.normal(6, 2, (2, height, width)) * (draw.random((height, width)) < 0.4)).astype(np.int16)
    return Latents(motion, residual, level)


def same(a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> bool:
    return bool(np.array_equal(a, b))


def texture(height: int, width: int, seed: int = 1) -> Planes:
    """Smooth noise: detail to match, no aliasing."""
    rng = np.random.default_rng(seed)
    y = cv2.GaussianBlur(rng.integers(0, 256, (height, width)).astype(np.float32), (0, 0), 1.5)
    y = np.clip((y - 128) * 4 + 128, 0, 255).astype(np.uint8)
    return y, y[::2, ::2].copy(), y[1::2, 1::2].copy()


def uniform_field(height: int, width: int, x: int, y: int) -> Motion:
    """The same vector for every block of a frame."""
    rows, columns = grid(height, width)
    return np.stack([np.full((rows, columns), x), np.full((rows, columns), y)]).astype(np.int16)
