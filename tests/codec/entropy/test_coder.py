"""Laws of coding latents to packets: exact for any subset, independent packets, bytes pinned by a golden file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codec.grace_parts import LEVELS, LUMA, latents, same, small_tables

from grace_codec.entropy import tables as table_file
from grace_codec.entropy.coder import Geometry, LatentCoder, statistics
from grace_codec.entropy.latents import Latents
from grace_codec.entropy.residual import merge, split
from grace_codec.entropy.tables import Tables
from grace_codec.training.fit import fit, ideal_bits

GOLDEN = Path(__file__).parent / "golden"
CODER = LatentCoder(small_tables(), LEVELS)


def decoded(frame: Latents, packets: int, lost: frozenset[int] = frozenset()) -> None:
    """Assert that what arrives is exact, and the rest zero and marked."""
    streams = CODER.encode(frame, packets)
    _, height, width = frame.residual.shape
    arrived = {j: s for j, s in enumerate(streams) if j not in lost}
    got = CODER.decode(arrived, Geometry(height, width, frame.level, packets), bool(frame.motion.any()))
    assert same(got.residual, np.where(got.residual_mask, frame.residual, 0))
    assert same(got.motion, np.where(got.motion_mask, frame.motion, 0))
    share = len(arrived) / packets
    assert abs(got.residual_mask.mean() - share) < 0.1
    assert bool(got.residual_mask.all()) == (not lost)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 9), st.integers(1, 12), st.data())
def test_any_subset_of_packets_gives_exactly_its_elements(
    seed: int, packets: int, height: int, width: int, data: st.DataObject
) -> None:
    frame = latents(seed, height, width, scale=data.draw(st.sampled_from([0.02, 0.4, 3.0])), level=seed % LEVELS)
    streams = CODER.encode(frame, packets)
    lost = data.draw(st.sets(st.integers(0, packets - 1)))
    arrived = {j: s for j, s in enumerate(streams) if j not in lost}
    got = CODER.decode(arrived, Geometry(height, width, frame.level, packets), bool(frame.motion.any()))
    assert same(got.residual, np.where(got.residual_mask, frame.residual, 0))
    assert same(got.motion, np.where(got.motion_mask, frame.motion, 0))
    assert np.array_equal(got.motion_mask[0], got.motion_mask[1])


def test_a_lost_packet_takes_its_share_and_no_more() -> None:
    decoded(latents(3, 23, 40), 5, frozenset({2}))
    decoded(latents(4, 23, 40), 5, frozenset({0, 1, 3, 4}))
    decoded(latents(5, 23, 40), 5)


def test_extreme_values_survive() -> None:
    frame = latents(7)
    frame.residual[0, 0, 0], frame.residual[3, 1, 1], frame.residual[-1, 0, 0] = 32767, -32767, 4000
    frame.motion[:, 2, 2] = -32768, 32767
    decoded(frame, 3)


def test_an_empty_frame_costs_no_bytes() -> None:
    frame = Latents(np.zeros((2, 23, 40), np.int16), np.zeros((4 * LUMA + 4, 23, 40), np.int16), 4)
    assert max(map(len, CODER.encode(frame, 2))) <= 1


def test_a_channel_without_anything_costs_nothing() -> None:
    frame = latents(1, 23, 40)
    frame.residual[8:] = 0
    wider = Latents(frame.motion, frame.residual.copy(), frame.level)
    wider.residual[20, 5, 5] = 1
    plain, more = (sum(map(len, CODER.encode(f, 2))) for f in (frame, wider))
    assert plain < more < plain + 24


def test_split_and_merge_are_inverse() -> None:
    frame = latents(9, 6, 7)
    assert same(merge(split(frame.residual, LUMA), LUMA, 6, 7), frame.residual)
    luma = split(frame.residual, LUMA).luma.reshape(LUMA, 12, 14)
    assert luma[2, 5, 9] == frame.residual[4 * 2 + 2 * 1 + 1, 2, 4]


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=120), min_size=1, max_size=5), st.integers(0, LEVELS - 1), st.booleans())
def test_forged_streams_never_raise(streams: list[bytes], level: int, moving: bool) -> None:
    got = CODER.decode(dict(enumerate(streams)), Geometry(5, 6, level, len(streams)), moving)
    assert got.residual.shape == (4 * LUMA + 4, 5, 6)


def test_packets_with_differing_scales_are_decoded_on_their_own() -> None:
    """As after a forgery: each keeps its own elements exact."""
    loud, quiet = latents(1, 6, 8, 3.0), latents(2, 6, 8, 0.1)
    streams = {0: CODER.encode(loud, 2)[0], 1: CODER.encode(quiet, 2)[1]}
    got = CODER.decode(streams, Geometry(6, 8, loud.level, 2), True)
    mine = CODER.decode({0: streams[0]}, Geometry(6, 8, loud.level, 2), True)
    assert same(np.where(mine.residual_mask, got.residual, 0), mine.residual)


def test_fitted_tables_beat_ideal_channel_scales_on_clustered_latents() -> None:
    """Contexts within the packet know where the activity is; one scale per channel does not."""
    frames = []
    for seed in range(24):
        frame = latents(seed, 12, 20, 2.0, level=(seed % 3) * 8)
        frame.residual[:, :, 7:] = 0
        frames.append(frame)
    fitted = LatentCoder(fit(frames[:16], LUMA, 3, LEVELS), LEVELS)
    size = sum(sum(map(len, fitted.encode(f, 2))) for f in frames[16:])
    still = [Latents(np.zeros_like(f.motion), f.residual, f.level) for f in frames[16:]]
    residual = sum(sum(map(len, fitted.encode(f, 2))) for f in still)
    ideal = sum(ideal_bits(statistics(split(f.residual, LUMA), fitted.tables)) / 8 for f in frames[16:])
    assert residual < 0.9 * ideal
    assert residual < size


def golden_cases() -> dict[str, list[str]]:
    tables = table_file.load(GOLDEN / "tables.json")
    coder = LatentCoder(tables, LEVELS)
    cases = {"sparse": (1, 0.1, 2), "busy": (2, 2.0, 3), "loud": (3, 30.0, 5), "one packet": (4, 0.5, 1)}
    return {
        name: [s.hex() for s in coder.encode(latents(seed, 5, 7, scale, level=seed * 3), n)]
        for name, (seed, scale, n) in cases.items()
    }


def golden_fit() -> Tables:
    return fit([latents(seed, 6, 8, 1.5, level=seed % LEVELS) for seed in range(34)], LUMA, 3, LEVELS)


def test_bytes_are_those_of_the_golden_file() -> None:
    """GRACE_UPDATE_GOLDEN=1 rewrites it, after a change of format that is meant (and a new tables format or header)."""
    if os.environ.get("GRACE_UPDATE_GOLDEN"):
        (GOLDEN / "tables.json").write_text(golden_fit().dumps() + "\n")
        (GOLDEN / "streams.json").write_text(json.dumps(golden_cases(), indent=1) + "\n")
    assert golden_cases() == json.loads((GOLDEN / "streams.json").read_text())


def test_fitting_gives_the_golden_tables() -> None:
    """To a few parts in 2^24: the histograms are exact, what they are divided by is floating point."""
    fitted, golden = golden_fit(), table_file.load(GOLDEN / "tables.json")
    assert np.array_equal(fitted.adjust, golden.adjust)
    assert np.array_equal(fitted.prior, golden.prior)
    assert fitted.groups == golden.groups
    for name in ("residual", "zero_run", "significant", "motion", "scale", "empty"):
        assert np.abs(getattr(fitted, name) - getattr(golden, name)).max() <= 16, name


@pytest.mark.parametrize("name", ["grace-lite", "grace-p", "grace-d"])
def test_shipped_tables_are_usable(name: str) -> None:
    from grace_codec.grace.codec import tables_path

    tables = table_file.load(tables_path(name))
    assert (tables.residual.sum(1) == 1 << 24).all()
    assert table_file.loads(tables.dumps()).checksum == tables.checksum
