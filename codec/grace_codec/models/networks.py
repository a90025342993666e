"""The seam between models and runtimes: grace-lite's two networks as functions on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Symbols = npt.NDArray[np.int16]


class LevelRows(NamedTuple):
    """The tables of one level, (1, n, 1, 1): quantization steps, shrinkage towards zero, gains of hidden features."""

    step: Floats
    shrink: Floats
    gain: Floats


class Networks(Protocol):
    """H and W are multiples of 16. Planes are uint8: y (1, 1, H, W), uv (1, 2, H/2, W/2)."""

    def analyse(self, y: Bytes, uv: Bytes, py: Bytes, puv: Bytes) -> Floats:
        """A frame and its prediction to latents (1, C, H/16, W/16), before division by the steps."""
        ...

    def synthesise(self, symbols: Symbols, lost: Bytes, level: LevelRows, py: Bytes, puv: Bytes) -> tuple[Bytes, Bytes]:
        """Symbols (1, C, H/16, W/16), flags of what was lost (1, LOST_FLAGS, H/16, W/16), the level's rows and the
        prediction to the frame's planes."""
        ...


class LoadNetworks(Protocol):
    def __call__(self, weights: Mapping[str, Floats]) -> Networks: ...
