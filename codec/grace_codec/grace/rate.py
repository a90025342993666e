"""Which rate level makes a frame fit its budget. Owns quantization by rate and distortion and the count of bits; runs
no network: a try touches only the few residual elements that could be non-zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.latents import Latents, Symbols
from grace_codec.entropy.scales import magnitude_bits
from grace_codec.models import transform as tf

Floats = npt.NDArray[np.float32]

MAX_MEAN = 512.0  # magnitude beyond which a channel's bits no longer matter
SPARING = (0.01, 0.02, 0.03)  # of thresholds, between two levels whose steps are 3 % apart (and sizes up to 25 %)
FILL_LOW, FILL_HIGH, FILL_AIM = 0.9, 1.04, 0.98  # of the budget: retry below, retry above, aim


def channel_map(luma: int, channels: int) -> npt.NDArray[np.int64]:
    """(channels,) scale channel of every residual channel: four luma sub-blocks share one."""
    c = np.arange(channels)
    return np.where(c < 4 * luma, c // 4, c - 3 * luma)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Residual elements that are not zero at the finest level considered."""

    index: npt.NDArray[np.int64]  # into the flat residual
    magnitude: Floats
    channel: npt.NDArray[np.int64]  # residual channel
    finest: int


class _Kept(NamedTuple):
    """What is not zero at a level: positions among the candidates, magnitudes."""

    where: npt.NDArray[np.int64]
    magnitude: Floats


class FrameQuantizer:
    """Quantizes one frame's residual, (C, H, W) float, at any level, as models/transform.py says."""

    def __init__(self, residual: Floats, steps: Callable[[int], Floats], luma: int, finest: int) -> None:
        self._residual, self._steps = residual, steps
        self._scale_of = channel_map(luma, len(residual))
        counts = np.bincount(self._scale_of) * residual[0].size
        self._counts = counts.astype(np.float64)
        self._reach = np.repeat(tf.reach(luma), 4)  # by luma channel
        self._candidates = self._find(finest)
        self._known: dict[tuple[int, float], _Kept] = {}
        self.sparing: tuple[int, float] = -1, 0.0  # a level, and by how much its thresholds are raised

    def _find(self, finest: int) -> Candidates:
        magnitude = np.abs(self._residual)
        index = np.flatnonzero(magnitude >= (tf.DEAD_ZONE * self._steps(finest))[:, None, None])
        return Candidates(index, magnitude.reshape(-1).take(index), index // self._residual[0].size, finest)

    def _symbols(self, level: int) -> _Kept:
        if level > self._candidates.finest:
            self._candidates = self._find(level)
            self._known.clear()
        how = level, self.sparing[1] if level == self.sparing[0] else 0.0
        if how not in self._known:
            self._known[how] = self._quantized(*how)
        return self._known[how]

    def _quantized(self, level: int, sparing: float) -> _Kept:
        found = self._candidates
        scaled = found.magnitude * (1 / self._steps(level)).take(found.channel)
        some = np.flatnonzero(scaled >= tf.DEAD_ZONE)
        scaled, scale = scaled.take(some), self._scale_of.take(found.channel.take(some))
        mean = np.bincount(scale, np.floor(scaled + tf.MEAN_ROUNDING), len(self._counts)) / self._counts
        threshold, rounding = _decisions(mean)
        threshold *= 1 + np.float32(sparing)
        keep = np.flatnonzero(scaled >= threshold.take(scale))
        some, scaled = some.take(keep), scaled.take(keep)
        values = np.maximum(np.floor(scaled + rounding.take(scale.take(keep))), 1)
        seen = self._visible(some, values, level)
        return _Kept(some[seen], values[seen])

    def _visible(self, some: npt.NDArray[np.int64], values: Floats, level: int) -> npt.NDArray[np.bool_]:
        """Which of these values lie in 8x8 luma blocks whose change can be seen in an 8-bit picture; all of chroma."""
        area = self._residual[0].size
        channel, index = self._candidates.channel.take(some), self._candidates.index.take(some)
        luma = np.flatnonzero(channel < len(self._reach))
        mine = channel.take(luma)
        block = (mine & 3) * area + index.take(luma) % area
        pixels = values.take(luma) * (self._reach * self._steps(level)[: len(self._reach)]).take(mine)
        seen = np.ones(len(some), np.bool_)
        seen[luma] = np.bincount(block, pixels, 4 * area).take(block) >= tf.VISIBLE
        return seen

    def statistics(self, level: int) -> npt.NDArray[np.float64]:
        """(scale channels, 3): elements, non-zeros, magnitude at a level; as `entropy.coder.statistics`."""
        where, magnitude = self._symbols(level)
        scale = self._scale_of.take(self._candidates.channel.take(where))
        size = len(self._counts)
        return np.stack([self._counts, np.bincount(scale, minlength=size), np.bincount(scale, magnitude, size)], 1)

    def bits(self, level: int) -> float:
        """Ideal code length with one Laplace scale per channel."""
        rows = self.statistics(level)
        rows = rows[rows[:, 2] > 0]
        return float((rows * magnitude_bits(rows[:, 2] / rows[:, 0])).sum())

    def symbols(self, level: int) -> Symbols:
        """(C, H, W)"""
        where, magnitude = self._symbols(level)
        index = self._candidates.index.take(where)
        symbols = np.zeros(self._residual.size, np.int16)
        symbols[index] = np.minimum(magnitude, 32767) * np.sign(self._residual.reshape(-1).take(index))
        return symbols.reshape(self._residual.shape)

    def latents(self, motion: npt.NDArray[np.int16], level: int) -> Latents:
        return Latents(motion, self.symbols(level), level)


def _decisions(mean: npt.NDArray[np.float64]) -> tuple[Floats, Floats]:
    """(thresholds of a one, what is added before the floor), in steps, by the mean magnitude of channels."""
    bits = magnitude_bits(np.clip(mean, 2.0**-12, MAX_MEAN))
    threshold = np.clip(0.5 + tf.ONE_PRICE * (bits[:, 1] + bits[:, 2]), tf.DEAD_ZONE, tf.MAX_DEAD_ZONE)
    rounding = np.clip(0.5 - tf.UNIT_PRICE * bits[:, 2], tf.MIN_ROUNDING, 0.5)
    return threshold.astype(np.float32), rounding.astype(np.float32)


class RateControl:
    """Finds levels. State between frames: the last level, and how real sizes relate to ideal ones."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self.level = levels // 2
        self._ratio = 0.9
        self._fixed = 16.0  # bytes per packet that do not depend on the residual

    def finest(self) -> int:
        """How fine a level to prepare for."""
        return min(self._levels - 1, self.level + 16)

    def search(self, quantizer: FrameQuantizer, motion_bytes: float, budget_bytes: float, packet_bytes: int) -> int:
        """The finest level whose estimated size stays within `budget_bytes`, or the one after it where that fits with
        raised thresholds, which the quantizer is told; 0 where none does."""
        quantizer.sparing = -1, 0.0

        def fits(level: int) -> bool:
            return self.estimate(quantizer, level, motion_bytes, packet_bytes) <= budget_bytes

        low, high, step = self.level, self.level, 2
        if fits(low):
            while high < self._levels - 1 and fits(min(high + step, self._levels - 1)):
                high, step = min(high + step, self._levels - 1), 2 * step
            low, high = high, min(high + step, self._levels)
        else:
            while low > 0 and not fits(low):
                high, low, step = low, max(0, low - step), 2 * step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        if not low < self._levels - 1 or not fits(low):
            return low
        for share in SPARING:
            quantizer.sparing = low + 1, share
            if fits(low + 1):
                return low + 1
        quantizer.sparing = -1, 0.0
        return low

    def estimate(self, quantizer: FrameQuantizer, level: int, motion_bytes: float, packet_bytes: int) -> float:
        size = self._ratio * (quantizer.bits(level) / 8 + motion_bytes)
        return size + self._fixed * packets_for(size, packet_bytes)

    def learn(self, estimated_bytes: float, actual_bytes: float, fixed_bytes: float) -> None:
        """Correct the ratio by what a frame really took."""
        if estimated_bytes > fixed_bytes:
            correction = max(actual_bytes - fixed_bytes, 1.0) / (estimated_bytes - fixed_bytes)
            self._ratio = min(max(self._ratio * correction, 0.2), 3.0)

    @property
    def fixed_bytes(self) -> float:
        return self._fixed


def packets_for(size_bytes: float, packet_bytes: int) -> int:
    """Packets for a frame of this size: at least two, with room for them to differ in size."""
    return max(2, -(-int(size_bytes * 1.04) // max(1, packet_bytes - 24)))
