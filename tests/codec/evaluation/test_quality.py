"""Laws of picture comparison; SSIM is held against its definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from grace_codec.evaluation import quality
from grace_codec.types import Plane

pytest.importorskip("cv2")


Real = npt.NDArray[np.float64]


def picture(seed: int = 1) -> Plane:
    rows, columns = np.mgrid[0:64, 0:80]
    noise = np.random.RandomState(seed).randint(0, 24, (64, 80))
    waves: Real = 80 + 40 * np.sin(rows / 9) + 30 * np.cos(columns / 7)
    return (waves + noise).astype(np.uint8)


def ssim_by_definition(a: Plane, b: Plane) -> float:
    """Wang et al. 2004, equation 13: Gaussian window 11x11, sigma 1.5, mirrored borders."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blurred(plane: Real) -> Real:
        padded = np.pad(plane, 5, mode="reflect")
        rows = sum(t * padded[i : i + plane.shape[0], :] for i, t in enumerate(taps))
        return np.asarray(sum(t * rows[:, i : i + plane.shape[1]] for i, t in enumerate(taps)))

    x, y = a.astype(np.float64), b.astype(np.float64)
    mx, my = blurred(x), blurred(y)
    vx, vy, cov = blurred(x * x) - mx * mx, blurred(y * y) - my * my, blurred(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(index.mean())


def test_ssim_follows_its_definition() -> None:
    assert quality.ssim(picture(1), picture(2)) == pytest.approx(ssim_by_definition(picture(1), picture(2)), abs=2e-3)


def test_equal_pictures_reach_the_ceilings() -> None:
    assert quality.ssim(picture(), picture()) == pytest.approx(1.0)
    assert quality.ssim_to_db(1.0) == quality.MAX_SSIM_DB
    assert quality.psnr_db(picture(), picture()) == quality.MAX_PSNR_DB


def test_ssim_in_decibels() -> None:
    assert quality.ssim_to_db(0.9) == pytest.approx(10.0)
    assert quality.ssim_to_db(0.0) == 0.0


def test_psnr_of_one_step_everywhere() -> None:
    a = np.full((64, 64), 100, np.uint8)
    assert quality.psnr_db(a, a + np.uint8(1)) == pytest.approx(48.131, abs=1e-3)


def test_pictures_of_different_size_are_a_caller_bug() -> None:
    with pytest.raises(ValueError, match="different size"):
        quality.ssim(np.zeros((64, 64), np.uint8), np.zeros((64, 66), np.uint8))
