"""Laws of rate control: finer levels cost more, the search finds the finest that fits, counts are true."""

from __future__ import annotations

import numpy as np
import pytest
from tests.codec.grace_parts import CHROMA, LUMA, small_tables

from grace_codec.entropy.coder import statistics
from grace_codec.entropy.residual import split
from grace_codec.grace.rate import FrameQuantizer, RateControl, channel_map, packets_for
from grace_codec.models import transform as tf

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
def test_a_block_that_moves_no_pixel_is_not_coded(mean: float, slope: float, coded: int) -> None:
    """At a step of 1 a block's mean of 4 moves its pixels by half, one half-wave of 3 some of them by 0.52."""
    residual = np.zeros((CHANNELS, 6, 6), np.float32)
    residual[0, 2, 3], residual[4, 2, 3] = mean, slope
    residual[1, 2, 3] = 4.0  # another block
    symbols = FrameQuantizer(residual, lambda level: np.ones(CHANNELS, np.float32), LUMA, 0).symbols(0)
    assert np.count_nonzero(symbols) == coded


@pytest.mark.parametrize("last", [0, 16, 32])
@pytest.mark.parametrize("budget", [50, 300, 1500, 10_000])
def test_the_search_finds_the_finest_level_that_fits(last: int, budget: int) -> None:
    control, found = RateControl(LEVELS), quantizer()
    control.level = last
    finest = max([level for level in range(LEVELS) if control.estimate(found, level, 0, 1150) <= budget], default=0)
    plain = control.estimate(found, finest, 0, 1150)
    level = control.search(found, 0, budget, 1150)
    assert level in (finest, finest + 1)
    if level > finest:  # the next one, with thresholds raised
        assert plain < control.estimate(found, level, 0, 1150) <= budget
        assert found.sparing[0] == level


@pytest.mark.parametrize("budget", [1000, 1500, 2300, 3400, 5000])
def test_sizes_lie_closer_than_levels(budget: int) -> None:
    """Where a level takes a quarter more than the last, as in flat pictures, most of a budget is used."""
    draw = np.random.default_rng(2)
    residual = (draw.laplace(0, 1, (CHANNELS, 24, 40)) * 4).astype(np.float32)
    found = FrameQuantizer(residual, lambda level: np.full(CHANNELS, 64 * 2 ** (-level / 24), np.float32), LUMA, 64)
    control = RateControl(3 * LEVELS)
    level = control.search(found, 0, budget, 1150)
    assert 0.9 * budget <= control.estimate(found, level, 0, 1150) <= budget


def test_the_estimate_follows_what_frames_really_took() -> None:
    control, found = RateControl(LEVELS), quantizer()
    before = control.estimate(found, 16, 0, 1150)
    for _ in range(5):
        now = control.estimate(found, 16, 0, 1150)
        fixed = control.fixed_bytes * packets_for(now - 32, 1150)
        control.learn(now, before * 1.3, fixed)
    assert control.estimate(found, 16, 0, 1150) == pytest.approx(before * 1.3, rel=0.05)


def test_a_frame_has_at_least_two_packets_and_room_in_each() -> None:
    assert packets_for(10, 1150) == 2
    assert packets_for(2400, 1150) == 3
    assert packets_for(7500, 1150) == 7


def test_four_sub_blocks_share_a_scale() -> None:
    assert channel_map(2, 11).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4]
