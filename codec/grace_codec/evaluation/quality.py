"""What luma planes are like: SSIM and PSNR of two, spatial and temporal information of a sequence.

Owns their definitions, for files, evaluation and calls alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grace_codec.types import Plane

MAX_SSIM_DB = 60.0
"""Ceiling for frames (nearly) without any difference, whose SSIM in dB would be infinite."""
MAX_PSNR_DB = 100.0


def ssim(reference: Plane, shown: Plane) -> float:
    """Structural similarity of two (H, W) uint8 planes, 1 for equal ones (Wang et al. 2004: Gaussian 11x11, sigma 1.5).

    OpenCV's QualitySSIM; about 10 ms at 640x360 on one core. Raises ValueError where the sizes differ."""
    import cv2

    _check_sizes(reference, shown)
    cv2.setNumThreads(1)
    quality: Any = cv2.quality
    return float(quality.QualitySSIM_compute(reference, shown)[0][0])


def ssim_to_db(value: float) -> float:
    """-10 log10(1 - SSIM), as the paper expresses it, at most MAX_SSIM_DB."""
    return min(MAX_SSIM_DB, -10 * math.log10(max(1 - value, 1e-12)))


def ssim_db(reference: Plane, shown: Plane) -> float:
    """SSIM of two planes in dB. Raises ValueError where the sizes differ."""
    return ssim_to_db(ssim(reference, shown))


def psnr_db(reference: Plane, shown: Plane) -> float:
    """Peak signal-to-noise ratio of two (H, W) uint8 planes, at most MAX_PSNR_DB. ValueError where the sizes differ."""
    import cv2

    _check_sizes(reference, shown)
    return min(MAX_PSNR_DB, float(cv2.PSNR(reference, shown)))


def _check_sizes(reference: Plane, shown: Plane) -> None:
    if reference.shape != shown.shape:
        raise ValueError(f"frames of different size: {reference.shape} and {shown.shape}")


@dataclass(frozen=True, slots=True)
class Complexity:
    """How demanding a video is (ITU-T P.910, paper C.4): spatial and temporal information of luma.

    si and ti are the largest over time (P.910 of 2008), mean_si and mean_ti the means, which no single cut decides."""

    si: float
    ti: float
    mean_si: float
    mean_ti: float


def complexity(luma: Iterable[Plane]) -> Complexity:
    """SI and TI of (H, W) uint8 planes in order; TI is 0 for a single frame. ValueError without any."""
    spatial: list[float] = []
    temporal: list[float] = [0.0]
    before: Plane | None = None
    for plane in luma:
        spatial.append(spatial_information(plane))
        if before is not None:
            temporal.append(float(np.std(plane.astype(np.int16) - before)))
        before = plane
    if not spatial:
        raise ValueError("the complexity of no frames")
    differences = max(1, len(temporal) - 1)
    return Complexity(max(spatial), max(temporal), sum(spatial) / len(spatial), sum(temporal) / differences)


def spatial_information(plane: Plane) -> float:
    """Standard deviation of the Sobel gradient's magnitude over the inner (H-2, W-2) pixels."""
    y = plane.astype(np.float32)
    down = y[:-2] + 2 * y[1:-1] + y[2:]
    across = y[:, :-2] + 2 * y[:, 1:-1] + y[:, 2:]
    return float(np.std(np.hypot(down[:, 2:] - down[:, :-2], across[2:] - across[:-2]), dtype=np.float64))
