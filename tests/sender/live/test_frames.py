"""Laws of making the codec's frames out of a track's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="the rtc extra is not installed")

import av
from tests.codec.media.videos import grey_frame, patches, with_matrix, worst_difference, write, yuv_frame

from grace_sender.live.frames import FrameNumber, FrameNumbers, fitting_size, own_us, shown_size, to_frame


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
        ((30, 20), (1920, 1080), (96, 64)),
        ((640, 40), (1920, 1080), (1024, 64)),
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
    own = [FrameNumber(5, 0), None, FrameNumber(3, 3), FrameNumber(20, 1)]
    assert [numbered(numbers, one) for one in own] == [(5, 0), (6, 6), (7, 7), (20, 1)]


def test_what_else_an_application_puts_into_its_frames_is_no_number() -> None:
    numbers = FrameNumbers()
    own = [10**15, {"camera": 2}, -1, "x", 8]
    assert [numbered(numbers, one) for one in own] == [(n, n) for n in range(5)]


def test_frame_of_a_phone_is_turned_upright(tmp_path: Path) -> None:
    luma = np.full((64, 128), 60, np.uint8)
    luma[:32, :64] = 220
    path = with_matrix(write(tmp_path / "a.mp4", [grey_frame(luma)], codec="libx264"), (0, 1, -1, 0, 64, 0))
    with av.open(str(path)) as container:
        video = next(container.decode(video=0))
    assert shown_size(video) == (64, 128)
    frame = to_frame(video, (64, 128), 0, 0)
    assert frame.y[:64, 32:].min() > 200
    assert max(frame.y[64:].max(), frame.y[:64, :30].max()) < 80


def test_full_range_and_bt709_are_converted() -> None:
    image = patches()
    for full, matrix in ((True, 6), (False, 1), (True, 1)):
        video = yuv_frame(image, "yuv420p", matrix, full)
        frame = to_frame(video, (video.width, video.height), 0, 0)
        assert worst_difference(image, (frame.y, frame.u, frame.v)) < 3


def test_frame_that_several_encoders_share_is_only_read() -> None:
    """aiortc's MediaRelay gives one frame to all its tracks (aiortc issue 767)."""
    shared = av.VideoFrame.from_ndarray(np.full((360, 640, 3), 90, np.uint8), format="rgb24")
    wanted = int(to_frame(shared, (160, 90), 0, 0).y[0, 0])
    with ThreadPoolExecutor(4) as pool:
        sizes = [(160 + 16 * (n % 4), 90) for n in range(120)]
        frames = list(pool.map(lambda size: to_frame(shared, size, 0, 0), sizes))
    assert {(frame.width, frame.height) for frame in frames} == set(sizes)
    assert {int(frame.y[0, 0]) for frame in frames} == {wanted}
