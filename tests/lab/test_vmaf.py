"""VMAF, where this machine has it."""

from __future__ import annotations

import numpy as np

from grace_lab.metrics.vmaf import VMAF_MISSING, Luma, vmaf


def picture(seed: int) -> Luma:
    rows, columns = np.mgrid[0:64, 0:80]
    noise = np.random.RandomState(seed).randint(0, 24, (64, 80))
    return np.asarray(80 + 40 * np.sin(rows / 9) + 30 * np.cos(columns / 7) + noise, np.float64).astype(np.uint8)


def test_it_prefers_the_better_picture_or_says_how_to_get_it() -> None:
    better = [(picture(1), picture(1))] * 2
    worse = [(picture(1), picture(2))] * 2
    scores = vmaf(better, 25.0)
    if scores is None:
        assert "imageio-ffmpeg" in VMAF_MISSING
        return
    other = vmaf(worse, 25.0)
    assert other is not None
    assert len(scores) == 2
    assert min(scores) > max(other)
