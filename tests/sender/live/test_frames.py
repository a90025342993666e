"""Laws of making the codec's frames out of a track's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("av", reason="the rtc extra is not installed")

import av

from grace_sender.live.frames import FrameNumber, FrameNumbers, fitting_size, own_us, to_frame


def grey(width: int, height: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height, width), 90, np.uint8), format="gray")


@pytest.mark.parametrize(
    ("size", "most", "fits"),
    [
        ((640, 480), (1920, 1080), (640, 480)),
        ((3840, 2160), (1920, 1080), (1920, 1080)),
        ((641, 361), (1920, 1080), (640, 360)),
        ((1080, 1920), (640, 360), (202, 360)),
        ((20, 2000), (640, 360), (64, 360)),
    ],
)
def test_sizes_are_even_within_bounds_and_of_the_same_shape(
    size: tuple[int, int], most: tuple[int, int], fits: tuple[int, int]
) -> None:
    assert fitting_size(size, most) == fits


@pytest.mark.parametrize("form", ["gray", "rgb24", "bgr24", "yuv420p", "yuv422p", "nv12"])
@pytest.mark.parametrize("size", [(160, 96), (101, 67)])
def test_any_frame_becomes_planes_of_the_wanted_size(form: str, size: tuple[int, int]) -> None:
    frame = to_frame(grey(*size).reformat(format=form), (128, 80), 7, 99)
    assert (frame.frame_id, frame.captured_us, frame.width, frame.height) == (7, 99, 128, 80)
    assert frame.u.shape == frame.v.shape == (40, 64)
    for plane in (frame.y, frame.u, frame.v):
        assert plane.dtype == np.uint8
        assert plane.flags.c_contiguous
        assert not plane.flags.writeable
    assert abs(int(frame.u.mean()) - 128) <= 1


def test_planes_are_not_mixed_up() -> None:
    red = av.VideoFrame.from_ndarray(np.full((64, 64, 3), (255, 0, 0), np.uint8), format="rgb24")
    frame = to_frame(red, (64, 64), 0, 0)
    assert frame.v.mean() > 200
    assert frame.u.mean() < 120


def test_time_of_a_frame_is_in_microseconds() -> None:
    frame = grey(64, 64)
    assert own_us(frame) is None
    frame.pts, frame.time_base = 4500, Fraction(1, 90_000)
    assert own_us(frame) == 50_000


def numbered(numbers: FrameNumbers, opaque: object) -> FrameNumber:
    frame = grey(64, 64)
    frame.opaque = opaque
    return numbers.of(frame)


def test_frames_count_up_where_the_application_numbers_none() -> None:
    numbers = FrameNumbers()
    assert [numbered(numbers, None) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]


def test_rising_numbers_of_the_application_are_kept_and_others_counted_on() -> None:
    numbers = FrameNumbers()
    own = [FrameNumber(5, 0), 8, 8, "x", FrameNumber(20, 1), -1]
    assert [numbered(numbers, one) for one in own] == [(5, 0), (8, 8), (9, 9), (10, 10), (20, 1), (21, 21)]
