"""How alike two luma planes are: SSIM and PSNR. Owns their definitions, for files, evaluation and calls alike."""

from __future__ import annotations

import math
from typing import Any

from grace_codec.types import Plane

MAX_SSIM_DB = 60.0
"""Ceiling for pictures (nearly) without any difference, whose SSIM in dB would be infinite."""
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
        raise ValueError(f"pictures of different size: {reference.shape} and {shown.shape}")
