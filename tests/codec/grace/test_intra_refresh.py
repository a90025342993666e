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
from grace_codec.types import Budget, Plane

Planes = tuple[Plane, Plane, Plane]


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


@settings(max_examples=50, deadline=None)
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


def scanner_after_picture(error: int, policy: PatchPolicy) -> PatchScanner:
    scanner, source = PatchScanner(policy), ramp(128, 128)
    shown = (np.clip(source[0].astype(int) + error, 0, 255).astype(np.uint8), source[1], source[2])
    scanner.on_picture(100, shown, source)
    return scanner


def test_a_patch_is_sent_where_the_picture_stands_worse_and_not_where_it_stands_better() -> None:
    policy, budget = PatchPolicy(period=4, unconditional=0, share=1.0), Budget(20_000)
    assert scanner_after_picture(30, policy).next_patch(101, ramp(128, 128), budget) is not None
    assert scanner_after_picture(0, policy).next_patch(101, ramp(128, 128), budget) is None


def test_a_patch_whose_turn_has_come_is_sent_in_any_case_that_it_fits() -> None:
    policy = PatchPolicy(period=4, unconditional=1, share=1.0)
    assert scanner_after_picture(0, policy).next_patch(101, ramp(128, 128), Budget(20_000)) is not None
    assert scanner_after_picture(0, policy).next_patch(101, ramp(128, 128), Budget(40)) is None


def test_cut_and_paste_use_the_same_pixels() -> None:
    planes = ramp(64, 64)
    region = Region(8, 24, 16, 40)
    piece = region.cut(planes)
    copy = piece[0].copy(), piece[1].copy(), piece[2].copy()
    region.paste(planes, copy)
    assert np.array_equal(planes[0], ramp(64, 64)[0])
