"""Laws of overlapped compensation: exact where it must be, defined for every field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codec.grace_parts import texture, uniform_field

from grace_codec.motion.compensation import ReferenceFrame, window
from grace_codec.motion.field import BLOCK, MAX_VECTOR


@pytest.mark.parametrize("block", [16, 8])
def test_windows_over_a_pixel_add_up_to_one(block: int) -> None:
    w = window(block)
    total = w.reshape(3, block, 3, block).sum((0, 2))
    assert np.all(total == 1)


def test_zero_motion_is_the_reference_exactly() -> None:
    planes = texture(96, 128)
    out = ReferenceFrame(planes).compensate(uniform_field(96, 128, 0, 0))
    assert all(np.array_equal(a, b) for a, b in zip(out, planes, strict=True))


def test_a_picture_that_is_no_multiple_of_blocks_is_padded_by_its_edge() -> None:
    planes = texture(70, 66)
    y, u, v = ReferenceFrame(planes).compensate(uniform_field(70, 66, 0, 0))
    assert y.shape == (80, 80)
    assert u.shape == v.shape == (40, 40)
    assert np.array_equal(y[:70, :66], planes[0])
    assert np.all(y[:70, 66:] == planes[0][:, 65:66])


def test_uniform_whole_pixel_motion_shifts_the_picture() -> None:
    planes = texture(96, 128)
    y, u, _ = ReferenceFrame(planes).compensate(uniform_field(96, 128, 16, -8))  # 4 px right, 2 px up in the reference
    assert np.array_equal(y[16:80, 16:96], planes[0][14:78, 20:100])
    assert np.array_equal(u[8:40, 8:48], planes[1][7:39, 10:50])


def test_blocks_far_from_motion_stay_exact() -> None:
    planes = texture(128, 128)
    motion = uniform_field(128, 128, 0, 0)
    motion[:, 0, 0] = 5, 3
    y, _, _ = ReferenceFrame(planes).compensate(motion)
    assert np.array_equal(y[32:], planes[0][32:])
    assert np.array_equal(y[:, 32:], planes[0][:, 32:])
    assert not np.array_equal(y[:16, :16], planes[0][:16, :16])


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(4, 7), columns=st.integers(4, 7))
def test_any_field_within_bounds_compensates(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    planes = texture(rows * BLOCK - 6, columns * BLOCK - 10, seed % 97)
    motion = rng.integers(-MAX_VECTOR, MAX_VECTOR + 1, (2, rows, columns)).astype(np.int16)
    y, u, v = ReferenceFrame(planes).compensate(motion)
    assert y.shape == (rows * BLOCK, columns * BLOCK)
    assert u.shape == v.shape == (rows * BLOCK // 2, columns * BLOCK // 2)
