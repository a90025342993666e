"""How demanding a video is: spatial and temporal information of ITU-T P.910 (paper C.4), on luma, in numpy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from grace_codec.types import Plane


@dataclass(frozen=True, slots=True)
class Complexity:
    """SI and TI: the largest over time (P.910 of 2008), and their means, which one cut in the clip does not decide."""

    si: float
    ti: float
    mean_si: float
    mean_ti: float


def complexity(luma: Iterable[Plane]) -> Complexity:
    """SI and TI of (H, W) uint8 planes in order; TI is 0 for a single picture. ValueError without any."""
    spatial: list[float] = []
    temporal: list[float] = [0.0]
    before: Plane | None = None
    for plane in luma:
        spatial.append(spatial_information(plane))
        if before is not None:
            temporal.append(float(np.std(plane.astype(np.int16) - before)))
        before = plane
    if not spatial:
        raise ValueError("the complexity of no pictures")
    differences = max(1, len(temporal) - 1)
    return Complexity(max(spatial), max(temporal), sum(spatial) / len(spatial), sum(temporal) / differences)


def spatial_information(plane: Plane) -> float:
    """Standard deviation of the Sobel gradient's magnitude over the inner (H-2, W-2) pixels."""
    y = plane.astype(np.float32)
    down = y[:-2] + 2 * y[1:-1] + y[2:]
    across = y[:, :-2] + 2 * y[:, 1:-1] + y[:, 2:]
    return float(np.std(np.hypot(down[:, 2:] - down[:, :-2], across[2:] - across[:-2]), dtype=np.float64))
