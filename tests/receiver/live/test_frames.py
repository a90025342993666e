"""Laws of giving decoded frames to a track."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("av", reason="the rtc extra is not installed")

from grace_codec.types import Frame
from grace_receiver.live.frames import NO_PIXELS_SIZE, TrackTime, to_video_frame


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


def test_times_of_a_track_count_from_its_first_frame_and_only_rise() -> None:
    time = TrackTime()
    assert time.pts(5_000_000) == 0
    assert time.pts(5_040_000) == 3600
    assert time.pts(5_040_000) is None  # the same time again
    assert time.pts(4_000_000) is None  # an earlier frame that comes late
    assert time.pts(5_080_000) == 7200
