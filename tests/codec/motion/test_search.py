"""Laws of motion search: plain motion is found, still blocks stay still, vectors keep their bounds."""

from __future__ import annotations

import numpy as np
from tests.codec.grace_parts import texture

from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.field import MAX_VECTOR, coarsened
from grace_codec.motion.search import MotionSearch


def test_search_finds_a_pan() -> None:
    y, _, _ = texture(160, 224)
    reference = np.ascontiguousarray(y[16:144, 16:208])
    current = np.ascontiguousarray(y[19:147, 11:203])  # the camera moved: content from (+3 rows, -5 columns)
    chroma = reference[::2, ::2].copy()
    motion = MotionSearch()(current, ReferenceFrame((reference, chroma, chroma)))
    inner = motion[:, 1:-1, 1:-1].reshape(2, -1)
    assert np.mean((inner == np.array([[-20], [12]])).all(0)) > 0.9


def test_still_blocks_have_exactly_zero_motion_under_camera_noise() -> None:
    y, u, v = texture(128, 128)
    noisy = np.clip(y.astype(int) + np.random.default_rng(2).integers(-3, 4, y.shape), 0, 255).astype(np.uint8)
    assert not MotionSearch()(noisy, ReferenceFrame((y, u, v))).any()


def test_search_stays_within_its_bounds_on_unrelated_pictures() -> None:
    a, b = texture(96, 96, 3), texture(96, 96, 4)
    motion = MotionSearch()(a[0], ReferenceFrame(b))
    assert np.abs(motion).max() <= MAX_VECTOR
    ReferenceFrame(b).compensate(motion)


def test_a_coarsened_field_has_the_median_vector_of_each_cell() -> None:
    field = np.zeros((2, 3, 5), np.int16)
    field[0, :2, :2] = [[4, 4], [4, 90]]
    field[1, 2] = 7
    coarse = coarsened(field, 2)
    assert coarse.shape == field.shape
    assert (coarse[0, :2, :2] == 4).all()
    assert not coarse[:, :2, 2:].any()
    assert (coarse[1, 2] == 7).all()


def test_a_dearer_search_finds_a_field_of_fewer_vectors() -> None:
    y, u, v = texture(192, 256, 1)
    current = texture(192, 256, 2)[0]
    search, reference = MotionSearch(), ReferenceFrame((y, u, v))
    distinct = [
        len(np.unique(search(current, reference, price).reshape(2, -1), axis=1).T) for price in (0.5, 200, 5000)
    ]
    assert distinct == sorted(distinct, reverse=True)
    assert distinct[2] < distinct[0] / 4
