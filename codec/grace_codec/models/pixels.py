"""Arithmetic on planes that needs no network: padding, the local scale, the inverse transform of replay."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.models import transform as tf
from grace_codec.motion import BLOCK, Planes
from grace_codec.types import Plane

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
    x = luma.astype(np.float32)
    mean = cv2.resize(x, (w // 8, h // 8), interpolation=cv2.INTER_AREA)
    power = cv2.resize(x * x, (w // 8, h // 8), interpolation=cv2.INTER_AREA)
    logs = np.log(np.maximum(power - mean * mean, 0) + np.float32(tf.SCALE_FLOOR))
    logs = logs.reshape(h // 16, 2, w // 16, 2).mean((1, 3)) - np.float32(math.log(tf.SCALE_UNIT))
    scale = np.exp(np.float32(tf.SCALE_POWER) * logs)
    return np.asarray(np.clip(scale, tf.SCALE_MIN, tf.SCALE_MAX), np.float32)


def inverse_transform(coefficients: Floats, luma: Floats, chroma: Floats) -> tuple[Floats, Floats, Floats]:
    """(C, h, w) coefficients to residual planes through the synthesis matrices luma (64, NL) and chroma (128, NC)."""
    _, h, w = coefficients.shape
    cut = 4 * tf.LUMA_FREQUENCIES
    nc = tf.CHROMA_FREQUENCIES
    luma_blocks = coefficients[:cut].reshape(tf.LUMA_FREQUENCIES, 2, 2, h, w).transpose(3, 1, 4, 2, 0)
    y = _blocks_to_plane(luma_blocks.reshape(2 * h, 2 * w, -1), luma)
    u = _blocks_to_plane(coefficients[cut : cut + nc].transpose(1, 2, 0), chroma[:64])
    v = _blocks_to_plane(coefficients[cut + nc :].transpose(1, 2, 0), chroma[64:])
    return y, u, v


def _blocks_to_plane(blocks: Floats, matrix: Floats) -> Floats:
    """(h, w, N) coefficients, (64, N) patterns -> (8h, 8w). Positions without coefficients are skipped."""
    h, w, _ = blocks.shape
    out = np.zeros((h, w, 64), np.float32)
    used = blocks.any(-1)
    out[used] = blocks[used] @ matrix.T
    return np.ascontiguousarray(out.reshape(h, w, 8, 8).transpose(0, 2, 1, 3)).reshape(8 * h, 8 * w)


def add(prediction: Planes, residual: tuple[Floats, Floats, Floats]) -> Planes:
    """Rounded and clipped to 0..255."""
    y, u, v = (
        np.clip(np.rint(p.astype(np.float32) + r), 0, 255).astype(np.uint8)
        for p, r in zip(prediction, residual, strict=True)
    )
    return y, u, v


def crop(planes: Planes, height: int, width: int) -> Planes:
    """The picture without its padding, in fresh arrays."""
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    y, u, v = (p[:h, :w].copy() for p, (h, w) in zip(planes, sizes, strict=True))
    return y, u, v
