"""Laws of dead-zone quantization: finer levels cost more, counts are those of the symbols, rare ones are dear."""

from __future__ import annotations

import numpy as np
import pytest
from tests.codec.grace_parts import CHROMA, LUMA, small_tables

from grace_codec.entropy.coder import statistics
from grace_codec.entropy.residual import split
from grace_codec.models import transform as tf
from grace_codec.models.quantizer import FrameQuantizer, RaisedDeadZone, scale_channels

LEVELS = 33
CHANNELS = 4 * LUMA + CHROMA


def steps(level: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(CHANNELS, 64 * 2 ** (-level / 8), np.float32)


def quantizer(finest: int = LEVELS - 1) -> FrameQuantizer:
    draw = np.random.default_rng(0)
    loud = 30 / (1 + np.arange(CHANNELS))[:, None, None]
    return FrameQuantizer((draw.laplace(0, 1, (CHANNELS, 12, 20)) * loud).astype(np.float32), steps, LUMA, finest)


def test_finer_levels_cost_more() -> None:
    found = quantizer()
    bits = [found.bits(level) for level in range(LEVELS)]
    assert bits == sorted(bits)
    assert bits[-1] > 20 * bits[0]


def test_a_wider_dead_zone_costs_less_at_its_level_and_changes_no_other() -> None:
    found, raised = quantizer(), RaisedDeadZone(20, 0.03)
    assert found.bits(19) < found.bits(20, raised) < found.bits(20)
    assert found.bits(19, raised) == found.bits(19)
    kept, usual = found.symbols(20, raised), found.symbols(20)
    assert np.array_equal(kept, np.where(kept != 0, usual, 0))


@pytest.mark.parametrize("level", [0, 7, 20, 32])
def test_counts_are_those_of_the_latents(level: int) -> None:
    found = quantizer(finest=10)
    latents = found.latents(np.zeros((2, 12, 20), np.int16), level)
    assert np.array_equal(found.statistics(level), statistics(split(latents.residual, LUMA), small_tables()))


def test_a_quantized_value_is_near_the_truth() -> None:
    draw = np.random.default_rng(1)
    residual = draw.normal(0, 50, (CHANNELS, 4, 4)).astype(np.float32)
    symbols = FrameQuantizer(residual, steps, LUMA, 32).symbols(16)
    assert np.abs(symbols * 16.0 - residual).max() <= tf.MAX_DEAD_ZONE * 16
    assert (np.sign(symbols) * np.sign(residual) >= 0).all()


def test_a_one_needs_more_in_a_channel_that_is_mostly_empty() -> None:
    residual = np.zeros((CHANNELS, 8, 8), np.float32)
    busy, rare = 4 * LUMA, 4 * LUMA + 1
    residual[busy], residual[rare, 0, 0] = 1.0 * 16, 1.0 * 16
    symbols = FrameQuantizer(residual, steps, LUMA, 32).symbols(16)
    assert (symbols[busy] == 1).all()
    assert not symbols[rare].any()


@pytest.mark.parametrize(("mean", "slope", "coded"), [(4.0, 0.0, 0), (5.0, 0.0, 1), (4.0, 2.0, 2), (0.0, 3.0, 0)])
def test_a_block_that_moves_no_sample_is_not_coded(mean: float, slope: float, coded: int) -> None:
    """At a step of 1 a block's mean of 4 moves its samples by half, one half-wave of 3 some of them by 0.52."""
    residual = np.zeros((CHANNELS, 6, 6), np.float32)
    residual[0, 2, 3], residual[4, 2, 3] = mean, slope
    residual[1, 2, 3] = 4.0  # another block
    symbols = FrameQuantizer(residual, lambda level: np.ones(CHANNELS, np.float32), LUMA, 0).symbols(0)
    assert np.count_nonzero(symbols) == coded


def test_four_sub_blocks_share_a_scale() -> None:
    assert scale_channels(2, 11).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4]
