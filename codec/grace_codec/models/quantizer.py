"""Quantization of one frame's residual at any rate level, and what each level costs. Runs no network.

Rate-distortion theory behind the decisions: a Laplacian source coded by an ideal entropy coder is quantized best by a
uniform quantizer with a *dead zone*, an interval around zero that is wider than the others, and with a rounding offset
below one half (Sullivan, "Efficient scalar quantization of exponential and Laplacian random variables", 1996). The
reason is that rounding a value of magnitude 0.6 up to one lowers the squared error a little and costs all the bits by
which a one is longer than a zero. Those bits depend on the channel: where non-zero values are rare they are dear, so
the threshold rises. How far, and which blocks are left out because nobody would see them, models/transform.py says.

Rate control asks for the size at many levels, while of 268 channels most values are far below every threshold. The
quantizer therefore collects the few elements that can be non-zero at the finest level in question once, and works on
these alone.
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
from grace_codec.motion.field import Motion

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

MAX_MEAN = 512.0  # mean magnitude beyond which a channel's bits no longer matter


class RaisedDeadZone(NamedTuple):
    """Dead zones that are wider by the relative `increase` at one `level`, and unchanged at all others. Sizes between
    those of two adjacent levels are reached this way."""

    level: int
    increase: float


NOT_RAISED = RaisedDeadZone(-1, 0.0)


def scale_channels(luma: int, channels: int) -> Indices:
    """(channels,) index of the scale that each residual channel has in the entropy coder: the four sub-blocks of each
    of `luma` frequencies share one."""
    c = np.arange(channels)
    return np.where(c < 4 * luma, c // 4, c - 3 * luma)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Residual elements that can be non-zero at level `finest` or a coarser one.

    index: into the flat residual; magnitude: not divided by any step; channel: residual channel."""

    index: Indices
    magnitude: Floats
    channel: Indices
    finest: int


class _NonZeros(NamedTuple):
    """The non-zero symbols at one level: positions among the candidates, magnitudes."""

    where: Indices
    magnitude: Floats


class FrameQuantizer:
    """Quantizes one frame's residual at any level. Results per level are kept.

    residual: (C, H16, W16) float32; steps: from a level to (C,) quantization steps; luma: luma frequencies; finest: the
    level that is expected to be the finest one asked for (a finer one costs another pass over the residual)."""

    def __init__(self, residual: Floats, steps: Callable[[int], Floats], luma: int, finest: int) -> None:
        self._residual, self._steps = residual, steps
        self._scale_of = scale_channels(luma, len(residual))
        counts = np.bincount(self._scale_of) * residual[0].size
        self._counts = counts.astype(np.float64)
        self._reach = np.repeat(tf.reach(luma), 4)  # by luma channel
        self._candidates = self._find(finest)
        self._known: dict[tuple[int, float], _NonZeros] = {}

    def _find(self, finest: int) -> Candidates:
        magnitude = np.abs(self._residual)
        index = np.flatnonzero(magnitude >= (tf.DEAD_ZONE * self._steps(finest))[:, None, None])
        return Candidates(index, magnitude.reshape(-1).take(index), index // self._residual[0].size, finest)

    def _non_zeros(self, level: int, dead_zone: RaisedDeadZone) -> _NonZeros:
        if level > self._candidates.finest:
            self._candidates = self._find(level)
            self._known.clear()
        key = level, dead_zone.increase if level == dead_zone.level else 0.0
        if key not in self._known:
            self._known[key] = self._quantized(*key)
        return self._known[key]

    def _quantized(self, level: int, increase: float) -> _NonZeros:
        found = self._candidates
        scaled = found.magnitude * (1 / self._steps(level)).take(found.channel)
        some = np.flatnonzero(scaled >= tf.DEAD_ZONE)
        scaled, scale = scaled.take(some), self._scale_of.take(found.channel.take(some))
        mean = np.bincount(scale, np.floor(scaled + tf.MEAN_ROUNDING), len(self._counts)) / self._counts
        threshold, rounding = _decisions(mean)
        threshold *= 1 + np.float32(increase)
        keep = np.flatnonzero(scaled >= threshold.take(scale))
        some, scaled = some.take(keep), scaled.take(keep)
        values = np.maximum(np.floor(scaled + rounding.take(scale.take(keep))), 1)
        seen = self._visible(some, values, level)
        return _NonZeros(some[seen], values[seen])

    def _visible(self, some: Indices, values: Floats, level: int) -> npt.NDArray[np.bool_]:
        """Which of these values lie in 8x8 luma blocks whose change can be seen in 8-bit samples; all of chroma."""
        area = self._residual[0].size
        channel, index = self._candidates.channel.take(some), self._candidates.index.take(some)
        luma = np.flatnonzero(channel < len(self._reach))
        mine = channel.take(luma)
        block = (mine & 3) * area + index.take(luma) % area
        change_px = values.take(luma) * (self._reach * self._steps(level)[: len(self._reach)]).take(mine)
        seen = np.ones(len(some), np.bool_)
        seen[luma] = np.bincount(block, change_px, 4 * area).take(block) >= tf.VISIBLE
        return seen

    def statistics(self, level: int, dead_zone: RaisedDeadZone = NOT_RAISED) -> npt.NDArray[np.float64]:
        """(scale channels, 3): elements, non-zeros and sum of magnitudes at a level; as `entropy.coder.statistics`."""
        where, magnitude = self._non_zeros(level, dead_zone)
        scale = self._scale_of.take(self._candidates.channel.take(where))
        size = len(self._counts)
        return np.stack([self._counts, np.bincount(scale, minlength=size), np.bincount(scale, magnitude, size)], 1)

    def bits(self, level: int, dead_zone: RaisedDeadZone = NOT_RAISED) -> float:
        """Ideal code length of the residual with one Laplace scale per channel."""
        rows = self.statistics(level, dead_zone)
        rows = rows[rows[:, 2] > 0]
        return float((rows * magnitude_bits(rows[:, 2] / rows[:, 0])).sum())

    def symbols(self, level: int, dead_zone: RaisedDeadZone = NOT_RAISED) -> Symbols:
        """(C, H16, W16) int16 quantized residual, magnitudes up to 32767."""
        where, magnitude = self._non_zeros(level, dead_zone)
        index = self._candidates.index.take(where)
        symbols = np.zeros(self._residual.size, np.int16)
        symbols[index] = np.minimum(magnitude, 32767) * np.sign(self._residual.reshape(-1).take(index))
        return symbols.reshape(self._residual.shape)

    def latents(self, motion: Motion, level: int, dead_zone: RaisedDeadZone = NOT_RAISED) -> Latents:
        """Motion as it is, with the residual quantized at a level."""
        return Latents(motion, self.symbols(level, dead_zone), level)


def _decisions(mean: npt.NDArray[np.float64]) -> tuple[Floats, Floats]:
    """Thresholds below which a value becomes zero, and offsets that are added before rounding down, both in steps, for
    scale channels of these mean magnitudes."""
    bits = magnitude_bits(np.clip(mean, 2.0**-12, MAX_MEAN))
    threshold = np.clip(0.5 + tf.ONE_PRICE * (bits[:, 1] + bits[:, 2]), tf.DEAD_ZONE, tf.MAX_DEAD_ZONE)
    rounding = np.clip(0.5 - tf.UNIT_PRICE * bits[:, 2], tf.MIN_ROUNDING, 0.5)
    return threshold.astype(np.float32), rounding.astype(np.float32)
