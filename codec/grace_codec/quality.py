"""How alike two luma planes are: SSIM in dB and PSNR. Owns their definitions."""

from __future__ import annotations

import math
from typing import Any

import cv2

from grace_codec.types import Plane

MAX_SSIM_DB = 60.0  # for pictures (nearly) without any difference, whose SSIM in dB would be infinite
MAX_PSNR_DB = 100.0


def ssim_db(reference: Plane, shown: Plane) -> float:
    """−10 log10(1 − SSIM) of two (H, W) planes; SSIM after Wang et al. 2004 (Gaussian 11x11, sigma 1.5), by OpenCV.

    Raises ValueError where the sizes differ."""
    _check(reference, shown)
    quality: Any = cv2.quality
    value = float(quality.QualitySSIM_compute(reference, shown)[0][0])
    return min(MAX_SSIM_DB, -10 * math.log10(max(1 - value, 1e-12)))


def psnr_db(reference: Plane, shown: Plane) -> float:
    """Peak signal-to-noise ratio in dB. Raises ValueError where the sizes differ."""
    _check(reference, shown)
    return min(MAX_PSNR_DB, float(cv2.PSNR(reference, shown)))


def _check(reference: Plane, shown: Plane) -> None:
    if reference.shape != shown.shape:
        raise ValueError(f"pictures of different size: {reference.shape} and {shown.shape}")
