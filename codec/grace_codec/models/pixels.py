"""Arithmetic on planes that needs no network: padding, the local scale, the linear decoder of replay."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.models import kernels
from grace_codec.models import transform as tf
from grace_codec.motion.field import BLOCK
from grace_codec.runtime.thread_pool import in_parts
from grace_codec.types import Plane, Planes

Floats = npt.NDArray[np.float32]


def pad(planes: Planes) -> Planes:
    """Planes with their sizes rounded up to whole blocks by repeating the edge."""
    y, u, v = (_pad(p, b) for p, b in zip(planes, (BLOCK, BLOCK // 2, BLOCK // 2), strict=True))
    return y, u, v


def _pad(plane: Plane, block: int) -> Plane:
    down, right = -plane.shape[0] % block, -plane.shape[1] % block
    if not down and not right:
        return plane
    return np.asarray(cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def local_scale(luma: Plane) -> Floats:
    """Perceptual scale of a prediction's luma (H, W), multiples of 16 -> (H/16, W/16). As in lite_net.local_scale."""
    h, w = luma.shape
    sums, squares = np.empty((2, h // 8, w // 8), np.float32)
    kernels.block_sums(np.ascontiguousarray(luma), 0, h // 8, sums, squares)
    mean, power = sums / np.float32(64), squares / np.float32(64)
    logs = np.log(np.maximum(power - mean * mean, 0) + np.float32(tf.SCALE_FLOOR))
    logs = logs.reshape(h // 16, 2, w // 16, 2).mean((1, 3)) - np.float32(math.log(tf.SCALE_UNIT))
    scale = np.exp(np.float32(tf.SCALE_POWER) * logs)
    return np.asarray(np.clip(scale, tf.SCALE_MIN, tf.SCALE_MAX), np.float32)


class LinearDecoder:
    """Dequantized symbols through the synthesis matrices, added to a prediction: what of a decoder needs no network.

    luma: (64, frequencies), chroma: (128, frequencies) patterns in columns, those of U first."""

    def __init__(self, luma: Floats, chroma: Floats) -> None:
        columns = luma, chroma[:64], chroma[64:]
        self._patterns = kernels.Patterns(*(np.ascontiguousarray(m.T, np.float32) for m in columns))

    def __call__(
        self, prediction: Planes, symbols: npt.NDArray[np.int16], step: Floats, shrink: Floats, size: tuple[int, int]
    ) -> Planes:
        """prediction: padded planes; symbols: (C, h, w); step, shrink: (C,); size: (height, width) of the result."""
        _, h, w = symbols.shape
        symbols, scale = np.ascontiguousarray(symbols), local_scale(prediction[0])
        residual, before = np.empty((2, 2 * h, 2 * w, kernels.PACKED), np.float32)
        shown = np.empty((16 * h, 16 * w), np.uint8), *np.empty((2, 8 * h, 8 * w), np.uint8)

        def some_rows(first: int, last: int) -> None:
            kernels.inverse(symbols, step, shrink, scale, self._patterns, first, last, residual)
            kernels.pack(prediction, 2 * first, 2 * last, before)
            kernels.unpack((residual, before, None), 2 * first, 2 * last, shown)

        in_parts(some_rows, h)
        return crop(shown, *size)


def crop(planes: Planes, height: int, width: int) -> Planes:
    """A frame's planes without their padding, in fresh arrays."""
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    y, u, v = (p[:h, :w].copy() for p, (h, w) in zip(planes, sizes, strict=True))
    return y, u, v
