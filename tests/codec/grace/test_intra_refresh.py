"""Stills and I-patches: what is decoded is what was coded, regions tile the picture, garbage is harmless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_codec.grace.av1_still import decode_still, encode_still
from grace_codec.grace.intra_refresh import (
    MIN_SIDE_PX,
    PatchPolicy,
    PatchScanner,
    Region,
    apply_patch,
    decode_patch,
    regions,
)
from grace_codec.grace.payload import Patch
from grace_codec.types import Budget, Planes


def ramp(height: int, width: int, shift: int = 0) -> Planes:
    y = ((np.add.outer(np.arange(height), np.arange(width)) + shift) % 200 + 20).astype(np.uint8)
    return y, np.full((height // 2, width // 2), 100, np.uint8), np.full((height // 2, width // 2), 140, np.uint8)


STILL = encode_still(ramp(64, 96), 20)


def test_a_still_decodes_close_to_its_source_and_always_the_same() -> None:
    shown = decode_still(STILL, 96, 64)
    assert shown is not None
    assert np.abs(shown[0].astype(int) - ramp(64, 96)[0]).mean() < 2
    assert encode_still(ramp(64, 96), 20) == STILL


def test_a_picture_of_another_size_is_refused() -> None:
    assert decode_still(STILL, 96, 66) is None
    assert decode_still(STILL, 64, 64) is None


@settings(max_examples=50)
@given(st.binary(max_size=100) | st.builds(lambda k: STILL[:k], st.integers(0, len(STILL) - 1)))
def test_garbage_gives_no_picture_and_no_exception(data: bytes) -> None:
    shown = decode_still(data, 96, 64)
    assert shown is None or shown[0].shape == (64, 96)


@pytest.mark.parametrize("size", [(64, 64), (360, 640), (720, 1280), (1080, 1920), (90, 640), (66, 64)])
@pytest.mark.parametrize("period", [10, 30])
def test_regions_tile_the_picture(size: tuple[int, int], period: int) -> None:
    seen = np.zeros(size, int)
    for region in regions(*size, period):
        seen[region.top : region.bottom, region.left : region.right] += 1
        assert not any(edge % 2 for edge in (region.top, region.bottom, region.left, region.right))
        assert region.bottom - region.top >= min(MIN_SIDE_PX, size[0]) - 8
        assert region.right - region.left >= min(MIN_SIDE_PX, size[1]) - 8
    assert (seen == 1).all()
    assert len(regions(*size, period)) <= period


def test_a_patch_overwrites_its_region_alone() -> None:
    planes = tuple(np.zeros(s, np.uint8) for s in ((128, 128), (64, 64), (64, 64)))
    place = regions(128, 128, 30)[3]
    data = encode_still(ramp(place.bottom - place.top, place.right - place.left), 20)
    apply_patch((planes[0], planes[1], planes[2]), decode_patch(Patch(3, data), 128, 128, 30))
    inside = planes[0][place.top : place.bottom, place.left : place.right]
    assert inside.min() > 0
    assert planes[0].astype(bool).sum() == inside.size


@pytest.mark.parametrize("patch", [Patch(200, STILL), Patch(0, b"junk"), Patch(0, b"")])
def test_an_unusable_patch_changes_nothing(patch: Patch) -> None:
    planes = ramp(128, 128)
    before = planes[0].copy()
    apply_patch(planes, decode_patch(patch, 128, 128, 30))
    assert np.array_equal(planes[0], before)


def scanner_after_key_frame(error: int, policy: PatchPolicy) -> PatchScanner:
    """As if the key frame had been decoded with luma that is too bright by `error`."""
    scanner, source = PatchScanner(policy), ramp(128, 128)
    shown = (np.clip(source[0].astype(int) + error, 0, 255).astype(np.uint8), source[1], source[2])
    scanner.on_key_frame(shown, source)
    return scanner


def slots_sent(scanner: PatchScanner, planes: Planes, budget: Budget, frames: int) -> list[int | None]:
    """Which region each of so many P-frames refreshes, every one of them decoding without any error."""
    slots = []
    for _ in range(frames):
        candidate = scanner.next_patch(planes, budget)
        scanner.on_frame(planes, planes, candidate.patch if candidate else None)
        slots.append(candidate.patch.slot if candidate else None)
    return slots


def noise(side: int) -> Planes:
    generator = np.random.default_rng(0)
    y, u, v = (generator.integers(0, 256, (n, n), dtype=np.uint8) for n in (side, side // 2, side // 2))
    return y, u, v


def test_a_patch_is_sent_where_the_frame_stands_worse_and_not_where_it_stands_better() -> None:
    policy, budget = PatchPolicy(period=4, unconditional=0, share=1.0), Budget(20_000)
    worse = scanner_after_key_frame(30, policy).next_patch(ramp(128, 128), budget)
    assert worse is not None
    assert not worse.due
    assert scanner_after_key_frame(0, policy).next_patch(ramp(128, 128), budget) is None


def test_a_due_patch_is_sent_although_the_frame_stands_better() -> None:
    policy = PatchPolicy(period=4, unconditional=1, share=1.0)
    due = scanner_after_key_frame(0, policy).next_patch(ramp(128, 128), Budget(20_000))
    assert due is not None
    assert due.due


def test_all_regions_are_refreshed_in_the_last_scan_of_each_cycle() -> None:
    scanner = scanner_after_key_frame(0, PatchPolicy(period=4, unconditional=3))
    assert slots_sent(scanner, ramp(128, 128), Budget(20_000), 24) == ([None] * 8 + [0, 1, 2, 3]) * 2


@pytest.mark.parametrize("budget", [Budget(600), Budget(1000), Budget(2500)])
def test_every_region_is_refreshed_in_each_cycle_whatever_its_patch_costs(budget: Budget) -> None:
    """Noise: at the usual quality a region takes kilobytes, and about 500 bytes at the coarsest."""
    policy = PatchPolicy(period=4, unconditional=10)
    scanner = scanner_after_key_frame(0, policy)
    cycle = policy.period * policy.unconditional
    slots = slots_sent(scanner, noise(128), budget, 3 * cycle)
    assert set(slots[cycle : 2 * cycle]) == set(slots[2 * cycle :]) == {None, 0, 1, 2, 3}


def test_a_due_patch_takes_no_more_than_the_shares_it_waited_for() -> None:
    scanner, source, budget = (
        scanner_after_key_frame(0, PatchPolicy(period=4, unconditional=1)),
        noise(128),
        Budget(900),
    )
    waited = 0
    for _ in range(20):
        waited += 1
        candidate = scanner.next_patch(source, budget)
        if candidate:
            assert len(candidate.patch.data) <= min(0.2 * waited, 0.5) * budget.frame_bytes
            waited = 0
        scanner.on_frame(source, source, candidate.patch if candidate else None)


def test_a_due_patch_that_did_not_go_out_stays_due() -> None:
    scanner, source = scanner_after_key_frame(0, PatchPolicy(period=4, unconditional=1)), ramp(128, 128)
    for _ in range(3):
        candidate = scanner.next_patch(source, Budget(20_000))
        assert candidate is not None
        assert candidate.patch.slot == 0
        scanner.on_frame(source, source, None)


def test_a_key_frame_settles_all_that_is_due() -> None:
    scanner, source = scanner_after_key_frame(0, PatchPolicy(period=4, unconditional=2)), ramp(128, 128)
    for _ in range(8):
        scanner.next_patch(source, Budget(20_000))
        scanner.on_frame(source, source, None)
    scanner.on_key_frame(source, source)
    assert slots_sent(scanner, source, Budget(20_000), 4) == [None] * 4


def test_cut_and_paste_use_the_same_pixels() -> None:
    planes = ramp(64, 64)
    region = Region(8, 24, 16, 40)
    piece = region.cut(planes)
    copy = piece[0].copy(), piece[1].copy(), piece[2].copy()
    region.paste(planes, copy)
    assert np.array_equal(planes[0], ramp(64, 64)[0])
