"""Laws of giving decoded frames to a track."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("av", reason="the rtc extra is not installed")

from grace_codec.types import Frame
from grace_receiver.live.frames import NO_PIXELS_SIZE, to_video_frame


def test_frame_has_the_planes_and_the_time() -> None:
    y = np.arange(100 * 66, dtype=np.uint8).reshape(66, 100)
    u, v = np.full((33, 50), 10, np.uint8), np.full((33, 50), 20, np.uint8)
    frame = to_video_frame(Frame(3, 0, y, u, v), 1234)
    assert (frame.width, frame.height, frame.format.name) == (100, 66, "yuv420p")
    assert (frame.pts, frame.time_base) == (1234, Fraction(1, 90_000))
    data = frame.to_ndarray()
    assert np.array_equal(data[:66], y)
    assert set(data[66:].ravel()[: 33 * 50]) == {10}
    assert set(data[66:].ravel()[33 * 50 :]) == {20}


def test_frame_without_pixels_is_grey() -> None:
    none = np.zeros((0, 0), np.uint8)
    frame = to_video_frame(Frame(3, 0, none, none, none), 0)
    assert (frame.width, frame.height) == NO_PIXELS_SIZE
    assert set(frame.to_ndarray().ravel()) == {128}
