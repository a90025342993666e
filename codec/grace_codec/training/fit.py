"""Fits the integer tables of a profile to latents of training clips. The only place where probabilities are floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from grace_codec.entropy import residual_kernels as kernels
from grace_codec.entropy.ans import RAW
from grace_codec.entropy.coder import statistics
from grace_codec.entropy.contexts import EXPECTED_EDGES, OBSERVED_EDGES
from grace_codec.entropy.latents import Latents
from grace_codec.entropy.motion import Layer, Vectors
from grace_codec.entropy.motion import walk as walk_motion
from grace_codec.entropy.residual import ResidualCoder, ResidualPlanes, layouts, split
from grace_codec.entropy.scales import ScaleChooser, Scales, magnitude_bits
from grace_codec.entropy.symbols import fold
from grace_codec.entropy.tables import (
    ALPHABET,
    CLASSES,
    EMPTY_CONTEXTS,
    LARGEST,
    LARGEST_STEP,
    MAX_RUN,
    MOTION_CONTEXTS,
    PER_OCTAVE,
    PRECISION,
    RATIO_BUCKETS,
    RUN_CLASSES,
    SCALE_DELTAS,
    UNIT_CLASS,
    Integers,
    Tables,
)

Floats = npt.NDArray[np.float64]

PRIOR_STRENGTH = 200.0  # symbols that a fitted histogram must outweigh
GROUPS = (1, 2, 3, 4, 6, 10, 14)  # luma frequencies per group, the rest in the last one
CHROMA_GROUPS = (2, 6)


def to_frequencies(probabilities: Floats) -> Integers:
    """Positive 24-bit integers per row that sum to 2^24."""
    total = 1 << PRECISION
    p = probabilities / probabilities.sum(-1, keepdims=True)
    frequencies: Integers = np.maximum(1, np.floor(p * (total - p.shape[-1]))).astype(np.int64)
    rows = np.arange(len(frequencies))
    frequencies[rows, frequencies.argmax(-1)] += total - frequencies.sum(-1)
    return frequencies


def laplace(mean: Floats) -> Floats:
    """(len(mean), ALPHABET) probabilities of the folded symbols: P(0) = 1 − t, P(±k) = t^(2k−1)(1 − t²)/2."""
    t = ((np.sqrt(1 + 4 * mean * mean) - 1) / (2 * mean))[:, None]
    k = np.arange(1, LARGEST + 1)
    side = t ** (2 * k - 1) * (1 - t * t) / 2
    escape = t ** (2 * LARGEST + 1)
    return np.concatenate([1 - t, np.repeat(side, 2, axis=1), np.maximum(escape, 2.0**-22)], 1)


def _symmetric(histogram: Floats) -> Floats:
    """Fold positive and negative counts into one: nothing in the data prefers a sign."""
    out = histogram.copy()
    pair = (histogram[:, 1:-1:2] + histogram[:, 2:-1:2]) / 2
    out[:, 1:-1:2], out[:, 2:-1:2] = pair, pair
    return out


def _plain_adjust() -> Floats:
    """Ratio of observed to expected at the middle of each bucket, to the power 0.8: what fitting starts from."""
    observed = np.sqrt(np.r_[0, OBSERVED_EDGES] * np.r_[1, OBSERVED_EDGES[1:], 400.0])
    expected = np.sqrt(np.r_[1, EXPECTED_EDGES] * np.r_[EXPECTED_EDGES, 4000]) / 64
    return np.asarray(((observed[None] + 0.3) / (expected[:, None] + 0.3)) ** 0.8)


def _zero_run(mean: Floats) -> Floats:
    """(RUN_CLASSES, MAX_RUN + 1): a zero run of equal Laplace elements that are zero with probability 1 − t."""
    zero = laplace(mean)[:, :1]
    column = np.arange(MAX_RUN)
    rows = []
    for length in range(1, MAX_RUN + 1):
        first = np.where(column < length, zero**column * (1 - zero), 1e-9)
        rows.append(np.concatenate([zero**length, first], 1))
    return np.concatenate(rows)


def _significant(probabilities: Floats) -> Floats:
    """Given that the value is not zero."""
    rest = probabilities.copy()
    rest[:, 0] = 1e-9
    return np.asarray(rest / rest.sum(1, keepdims=True))


def start(luma: int, chroma: int, levels: int, prior: Integers | None = None) -> Tables:
    """Tables that know nothing of any data: plain Laplace classes, no contexts. Usable, and where fitting starts.

    `luma` frequencies, `chroma` channels (both planes), rows of the prior."""
    mean = np.maximum(1, np.round(4096 * 2.0 ** ((np.arange(CLASSES) - UNIT_CLASS) / PER_OCTAVE))).astype(np.int64)
    change = 2.0 ** -np.abs(np.arange(SCALE_DELTAS) - SCALE_DELTAS // 2)
    return Tables(
        residual=to_frequencies(laplace(mean / 4096)),
        zero_run=to_frequencies(_zero_run(mean / 4096)),
        significant=to_frequencies(_significant(laplace(mean / 4096))),
        motion=to_frequencies(laplace(np.full(MOTION_CONTEXTS, 0.5))),
        scale=to_frequencies(change[None]),
        empty=to_frequencies(np.full((EMPTY_CONTEXTS, 2), 0.5)),
        mean=mean,
        adjust=np.zeros((2, 2, RATIO_BUCKETS, RATIO_BUCKETS), np.int64),
        prior=prior if prior is not None else np.full((levels, luma + chroma), 16 * (UNIT_CLASS - 8), np.int64),
        groups=(_groups(range(luma), GROUPS), _groups(range(luma, luma + chroma), CHROMA_GROUPS)),
    )


def _groups(order: Sequence[int], sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    parts = np.split(np.asarray(order), np.cumsum(sizes))
    return tuple(tuple(int(c) for c in part) for part in parts if len(part))


def packets_for(planes: ResidualPlanes, tables: Tables, payload_bytes: int = 1100) -> int:
    """How many packets a frame like this travels in, by its channel-only ideal size."""
    return max(2, int(np.ceil(ideal_bits(statistics(planes, tables)) * 0.85 / 8 / payload_bytes)))


def ideal_bits(rows: Floats) -> float:
    """Code length with one ideal, free Laplace scale per channel and frame: what the paper's scheme could reach."""
    rows = rows[rows[:, 2] > 0]
    return float((rows * magnitude_bits(rows[:, 2] / rows[:, 0])).sum())


def fit(frames: Sequence[Latents], luma: int, levels: int, fine_levels: int) -> Tables:
    """Tables for latents like these: prior and order, then contexts, then histograms, then the side information.

    `luma` frequencies; `levels` rows of the prior over `fine_levels` rate levels. Frames: some hundreds, of many clips
    and all levels."""
    chroma = frames[0].residual.shape[0] - 4 * luma
    tables = start(luma, chroma, levels)
    samples = [Sample(frame, split(frame.residual, luma), tables) for frame in frames]
    prior = _fit_prior(samples, levels, fine_levels)
    order = np.argsort(-prior.mean(0), kind="stable")
    groups = (_groups(order[order < luma].tolist(), GROUPS), _groups(order[order >= luma].tolist(), CHROMA_GROUPS))
    tables = replace(tables, prior=prior, groups=groups, adjust=_plain_steps())
    for _ in range(3):
        tables = _fit_scales(tables, samples, fine_levels)
        count = _Count(tables)
        for sample in samples:
            count.add(sample, fine_levels)
        tables = replace(tables, **count.fitted())
    return replace(tables, motion=_fit_motion(samples))


class Sample:
    """A frame with its residual by component."""

    def __init__(self, frame: Latents, planes: ResidualPlanes, tables: Tables) -> None:
        self.frame, self.planes = frame, planes
        self.rows = statistics(planes, tables)
        self.packets = packets_for(planes, tables)


def _plain_steps() -> Integers:
    steps = np.round(PER_OCTAVE * np.log2(_plain_adjust())).astype(np.int64)
    return np.broadcast_to(steps, (2, 2, *steps.shape)).copy()


def _fit_prior(samples: Sequence[Sample], levels: int, fine_levels: int) -> Integers:
    """Geometric mean over frames of each channel's mean magnitude, by level; levels without data lean on others."""
    unit = (fine_levels - 1) / max(1, levels - 1)
    total, weight = np.zeros((levels, len(samples[0].rows))), np.zeros(levels)
    for sample in samples:
        mean = (sample.rows[:, 2] + 0.2) / sample.rows[:, 0]
        at = min(levels - 1, round(sample.frame.level / unit))
        total[at] += UNIT_CLASS + PER_OCTAVE * np.log2(mean)
        weight[at] += 1
    seen = np.flatnonzero(weight)
    by_level = total[seen] / weight[seen, None]
    rows = np.stack([np.interp(np.arange(levels), seen, column) for column in by_level.T], 1)
    return np.clip(np.round(16 * rows), 0, 16 * (CLASSES - 1)).astype(np.int64)


def _scales(tables: Tables, sample: Sample, fine_levels: int) -> tuple[Scales, Integers]:
    base = tables.base_class(sample.frame.level, fine_levels)
    return ScaleChooser(tables).choose(sample.rows, base, sample.packets), base


def _fit_scales(tables: Tables, samples: Sequence[Sample], fine_levels: int) -> Tables:
    change, empty = np.full(SCALE_DELTAS, 0.5), np.ones((EMPTY_CONTEXTS, 2))
    for sample in samples:
        symbols, base = _scales(tables, sample, fine_levels)
        change += np.bincount(symbols.changes, minlength=SCALE_DELTAS)
        context = base[tables.order[: len(symbols.empty)]] * EMPTY_CONTEXTS // CLASSES
        np.add.at(empty, (context, symbols.empty), 1)
    return replace(tables, scale=to_frequencies(change[None]), empty=to_frequencies(empty))


class _Count:
    """Walks frames as the coder does and counts what would be coded in which context."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._coder = tables, ResidualCoder(tables)
        self._symbols = np.zeros((kernels.ZERO_RUN + RUN_CLASSES, ALPHABET))  # of all three tables
        self._seen, self._expected = np.zeros((2, 2, 2, RATIO_BUCKETS**2))

    def add(self, sample: Sample, fine_levels: int) -> None:
        scales = _scales(self._tables, sample, fine_levels)[0].classes
        _, height, width = sample.frame.residual.shape
        places = layouts(self._tables, height, width, sample.packets)
        records, seen = self._coder.record(sample.planes, places, scales)
        row, symbol = records[records[:, 0] != RAW].T
        np.add.at(self._symbols, (row, symbol), 1)
        for component, by_context in enumerate(seen):  # (after a non-zero, magnitudes or means, bucket)
            self._seen[component] += by_context[:, 0]
            self._expected[component] += by_context[:, 1] / 4096

    def fitted(self) -> dict[str, Any]:
        mean = self._tables.mean / 4096.0
        prior = laplace(mean)
        prior = PRIOR_STRENGTH * prior / prior.sum(1, keepdims=True)
        ratio = (self._seen + 4 * _plain_adjust().ravel()) / (self._expected + 4)
        steps = np.clip(np.round(PER_OCTAVE * np.log2(ratio)), -LARGEST_STEP, LARGEST_STEP).astype(np.int64)
        residual, significant, run = np.split(self._symbols, [kernels.SIGNIFICANT, kernels.ZERO_RUN])
        return {
            "residual": to_frequencies(_symmetric(residual) + prior),
            "zero_run": to_frequencies(run[:, : MAX_RUN + 1] + 0.2 * PRIOR_STRENGTH * _zero_run(mean)),
            "significant": to_frequencies(_symmetric(significant) + 0.2 * PRIOR_STRENGTH * _significant(prior)),
            "adjust": steps.reshape(2, 2, RATIO_BUCKETS, RATIO_BUCKETS),
        }


def _fit_motion(samples: Sequence[Sample]) -> Integers:
    counts = np.zeros((MOTION_CONTEXTS, ALPHABET))
    for sample in samples:
        _, height, width = sample.frame.motion.shape
        flat = sample.frame.motion.reshape(2, -1).astype(np.int32)

        def code(contexts: Integers, layer: Layer, component: int, predicted: Vectors, flat: Vectors = flat) -> Vectors:
            true: Vectors = flat[component, layer.vector]
            np.add.at(counts, (contexts, fold((true - predicted).astype(np.int16))), 1)
            return true

        if sample.frame.motion.any():
            walk_motion(height, width, sample.packets, code)
    prior = laplace(np.full(MOTION_CONTEXTS, 1.0))
    return to_frequencies(_symmetric(counts) + 20 * prior / prior.sum(1, keepdims=True))
