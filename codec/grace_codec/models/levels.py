"""Rate levels: the learned tables, what lies between two trained levels, and quantization by them. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grace_codec.models import pixels
from grace_codec.models import transform as tf
from grace_codec.models.api import FINE
from grace_codec.models.networks import Floats, LevelRows, Symbols
from grace_codec.models.quantizer import FrameQuantizer
from grace_codec.types import Planes


class LevelTables:
    """The steps, shrinkage and gains of every fine level, and the linear decoder that needs nothing else."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """weights: by name, as in lite_net.LiteNet's state."""
        self._log_step, self._shrink = weights["log_step"], np.clip(weights["shrink"], -tf.MAX_SHRINK, tf.MAX_SHRINK)
        self._gain = weights["gain"]
        luma, chroma = (weights[f"synthesis.{name}.weight"][:, :, 0, 0] for name in ("luma", "chroma"))
        self._linear = pixels.LinearDecoder(luma, chroma)

    def _at(self, table: Floats, fine_level: int, extrapolate: bool = False) -> Floats:
        """The table's row at a fine level; beyond the trained ones the last row, or the last two rows' line."""
        last = len(table) - 1
        level = max(fine_level, 0) / FINE
        level = level if extrapolate else min(level, last)
        low = min(int(level), last - 1)
        mix = np.float32(level - low)
        return np.asarray(table[low] * (1 - mix) + table[low + 1] * mix, np.float32)

    def steps(self, level: int) -> Floats:
        """(C,) quantization steps of a fine level, also beyond the trained ones."""
        return np.asarray(np.exp(self._at(self._log_step, level, extrapolate=True)), np.float32)

    def rows(self, level: int) -> LevelRows:
        """What the synthesis network needs of a fine level."""
        rows = self.steps(level), self._at(self._shrink, level), self._at(self._gain, level)
        return LevelRows(*(row[None, :, None, None] for row in rows))

    def quantize(self, residual: Floats, level: int) -> Symbols:
        """(C, H16, W16) symbols at one fine level."""
        return FrameQuantizer(residual, self.steps, tf.LUMA_FREQUENCIES, level).symbols(level)

    def apply(self, prediction: Planes, symbols: Symbols, level: int, size: tuple[int, int]) -> Planes:
        """The decoder without its learned branch: dequantize, inverse transform, add. Padded planes in, planes of
        `size` (height, width) out."""
        step, shrink = self.steps(level), self._at(self._shrink, level)
        return self._linear(prediction, symbols, step, shrink, size)
