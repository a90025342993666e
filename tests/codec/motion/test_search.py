"""Laws of block motion: exact where it must be, found where it is plain, filled where it was lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codec.grace_parts import texture

from grace_codec.motion.search import BLOCK, MAX_VECTOR, Motion, MotionSearch, ReferencePicture, fill_gaps, grid, window


def field(height: int, width: int, x: int, y: int) -> Motion:
    rows, columns = grid(height, width)
    return np.stack([np.full((rows, columns), x), np.full((rows, columns), y)]).astype(np.int16)


@pytest.mark.parametrize("block", [16, 8])
def test_windows_over_a_pixel_add_up_to_one(block: int) -> None:
    w = window(block)
    total = w.reshape(3, block, 3, block).sum((0, 2))
    assert np.all(total == 1)


def test_zero_motion_is_the_reference_exactly() -> None:
    planes = texture(96, 128)
    out = ReferencePicture(planes).compensate(field(96, 128, 0, 0))
    assert all(np.array_equal(a, b) for a, b in zip(out, planes, strict=True))


def test_a_picture_that_is_no_multiple_of_blocks_is_padded_by_its_edge() -> None:
    planes = texture(70, 66)
    y, u, v = ReferencePicture(planes).compensate(field(70, 66, 0, 0))
    assert y.shape == (80, 80)
    assert u.shape == v.shape == (40, 40)
    assert np.array_equal(y[:70, :66], planes[0])
    assert np.all(y[:70, 66:] == planes[0][:, 65:66])


def test_uniform_whole_pixel_motion_shifts_the_picture() -> None:
    planes = texture(96, 128)
    y, u, _ = ReferencePicture(planes).compensate(field(96, 128, 16, -8))  # 4 px right, 2 px up in the reference
    assert np.array_equal(y[16:80, 16:96], planes[0][14:78, 20:100])
    assert np.array_equal(u[8:40, 8:48], planes[1][7:39, 10:50])


def test_blocks_far_from_motion_stay_exact() -> None:
    planes = texture(128, 128)
    motion = field(128, 128, 0, 0)
    motion[:, 0, 0] = 5, 3
    y, _, _ = ReferencePicture(planes).compensate(motion)
    assert np.array_equal(y[32:], planes[0][32:])
    assert np.array_equal(y[:, 32:], planes[0][:, 32:])
    assert not np.array_equal(y[:16, :16], planes[0][:16, :16])


def test_search_finds_a_pan() -> None:
    y, _, _ = texture(160, 224)
    reference = np.ascontiguousarray(y[16:144, 16:208])
    current = np.ascontiguousarray(y[19:147, 11:203])  # the camera moved: content from (+3 rows, -5 columns)
    chroma = reference[::2, ::2].copy()
    motion = MotionSearch()(current, ReferencePicture((reference, chroma, chroma)))
    inner = motion[:, 1:-1, 1:-1].reshape(2, -1)
    assert np.mean((inner == np.array([[-20], [12]])).all(0)) > 0.9


def test_still_blocks_have_exactly_zero_motion_under_camera_noise() -> None:
    y, u, v = texture(128, 128)
    noisy = np.clip(y.astype(int) + np.random.default_rng(2).integers(-3, 4, y.shape), 0, 255).astype(np.uint8)
    assert not MotionSearch()(noisy, ReferencePicture((y, u, v))).any()


def test_search_stays_within_its_bounds_on_unrelated_pictures() -> None:
    a, b = texture(96, 96, 3), texture(96, 96, 4)
    motion = MotionSearch()(a[0], ReferencePicture(b))
    assert np.abs(motion).max() <= MAX_VECTOR
    ReferencePicture(b).compensate(motion)


def test_received_vectors_are_kept_and_gaps_take_their_neighbours_mean() -> None:
    motion = field(80, 80, 8, -4)
    motion[:, 4, 4] = 100, 100
    received = np.ones((5, 5), bool)
    received[2, 2] = received[0, 0] = False
    motion[:, ~received] = 0
    filled = fill_gaps(motion, received)
    assert filled[:, 2, 2].tolist() == [8, -4]
    assert filled[:, 0, 0].tolist() == [8, -4]
    assert filled[:, 4, 4].tolist() == [100, 100]


def test_one_received_vector_fills_the_whole_field() -> None:
    motion, received = field(64, 160, 0, 0), np.zeros((4, 10), bool)
    motion[:, 1, 1], received[1, 1] = (12, 7), True
    assert np.array_equal(fill_gaps(motion, received), field(64, 160, 12, 7))


def test_nothing_received_is_no_motion() -> None:
    assert not fill_gaps(field(64, 64, 9, 9), np.zeros((4, 4), bool)).any()


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(4, 7), columns=st.integers(4, 7))
def test_any_field_within_bounds_compensates(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    planes = texture(rows * BLOCK - 6, columns * BLOCK - 10, seed % 97)
    motion = rng.integers(-MAX_VECTOR, MAX_VECTOR + 1, (2, rows, columns)).astype(np.int16)
    y, u, v = ReferencePicture(planes).compensate(motion)
    assert y.shape == (rows * BLOCK, columns * BLOCK)
    assert u.shape == v.shape == (rows * BLOCK // 2, columns * BLOCK // 2)
