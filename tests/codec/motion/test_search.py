"""Laws of motion search: plain motion is found, still blocks stay still, vectors keep their bounds."""

from __future__ import annotations

import numpy as np
from tests.codec.grace_parts import texture

from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.field import MAX_VECTOR
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
