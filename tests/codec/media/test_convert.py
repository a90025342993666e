"""Whatever colours, orientation and shape a frame has: what a player shows of it is what it shows of the coded one."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.codec.media.videos import (
    fill,
    grey_frame,
    numbered,
    patches,
    with_matrix,
    worst_difference,
    write,
    yuv_frame,
)

from grace_codec.media import FrameConverter, coded_size, open_video, planes_of, video_frame
from grace_codec.media.colour import HLG, PQ, tone_mapped_grey


@pytest.mark.parametrize("matrix", [1, 6, 9, 2])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "yuv444p10le"])
def test_colours_of_every_matrix_range_and_depth_are_kept(pix_fmt: str, full: bool, matrix: int) -> None:
    image = patches()
    planes = FrameConverter().planes(yuv_frame(image, pix_fmt, matrix, full))
    assert worst_difference(image, planes) < 3  # 8-bit chroma alone is worth 1.8 of blue


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgra", "gbrp", "rgb48le"])
def test_rgb_becomes_limited_range_yuv(pix_fmt: str) -> None:
    image = patches()
    frame = av.VideoFrame.from_ndarray(np.round(image * 255).astype(np.uint8), "rgb24").reformat(format=pix_fmt)
    assert worst_difference(image, FrameConverter().planes(frame)) < 3


@pytest.mark.parametrize("pix_fmt", ["yuvj420p", "yuvj422p", "gray"])
def test_full_range_greys_are_shown_as_they_were(pix_fmt: str) -> None:
    luma = np.repeat(np.array([0, 64, 128, 200, 255], np.uint8), 32)[None].repeat(64, 0)
    planes = FrameConverter().planes(grey_frame(luma, pix_fmt))
    assert [int(value) for value in planes[0][32, 16::32]] == [16, 71, 126, 188, 235]
    assert planes[1].min() == planes[2].max() == 128


def test_frame_that_is_coded_already_is_taken_as_it_is() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (64, 96), np.uint8)
    planes = FrameConverter().planes(grey_frame(luma))
    assert np.array_equal(planes[0], luma)
    assert np.array_equal(planes_of(video_frame(planes))[0], luma)


def test_untagged_matrix_goes_by_the_size_in_files_and_is_601_in_calls() -> None:
    image = np.kron(patches(), np.ones((6, 7, 1)))
    untagged = yuv_frame(image, "yuv420p", 1, full=False)
    untagged.colorspace = 2
    assert untagged.width >= 1280
    middles = image[::6, ::7]
    seen = [FrameConverter(by_size=by_size).planes(untagged) for by_size in (True, False)]
    small = [tuple(plane[::6, ::7] for plane in planes) for planes in seen]
    differences = [worst_difference(middles, (y, u, v)) for y, u, v in small]
    assert differences[0] < 3
    assert differences[1] > 10


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_high_dynamic_range_is_tone_mapped(transfer: int) -> None:
    codes = np.linspace(0.0, 0.75, 8)
    frame = av.VideoFrame(8 * 32, 64, "yuv420p10le")
    luma = np.repeat(np.round(64 + 876 * codes).astype(np.uint16), 32)[None].repeat(64, 0)
    for plane, pixels in zip(frame.planes, (luma, np.full((32, 128), 512, np.uint16)), strict=False):
        fill(plane, pixels)
    fill(frame.planes[2], np.full((32, 128), 512, np.uint16))
    frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, 9, 9, 1
    y, u, v = FrameConverter().planes(frame)
    wanted = [16 + 219 * tone_mapped_grey(code, transfer) for code in codes]
    assert y[32, 16::32] == pytest.approx(wanted, abs=4)
    assert np.abs(np.concatenate([u, v]).astype(int) - 128).max() <= 2


def test_white_of_a_standard_display_stays_bright_and_highlights_are_not_cut() -> None:
    white, highlight = tone_mapped_grey(0.58, PQ), tone_mapped_grey(0.7, PQ)  # 203 and about 620 cd/m2
    assert 0.8 < white < highlight < 1.0
    assert tone_mapped_grey(0.0, PQ) == 0


CORNERS = {
    "upright": ((1, 0, 0, 1, 0, 0), "top left"),
    "mirrored": ((-1, 0, 0, 1, 128, 0), "top right"),
    "flipped": ((1, 0, 0, -1, 0, 96), "bottom left"),
    "180": ((-1, 0, 0, -1, 128, 96), "bottom right"),
    "clockwise": ((0, 1, -1, 0, 96, 0), "top right"),
    "counterclockwise": ((0, -1, 1, 0, 0, 128), "bottom left"),
    "transposed": ((0, 1, 1, 0, 0, 0), "top left"),
    "transposed and turned": ((0, -1, -1, 0, 96, 128), "bottom right"),
}


@pytest.mark.parametrize("name", CORNERS)
def test_display_matrix_is_followed(tmp_path: Path, name: str) -> None:
    """The bright quarter, top left as stored, goes where the matrix says (ISO/IEC 14496-12, 8.3.2)."""
    matrix, wanted = CORNERS[name]
    luma = np.full((96, 128), 60, np.uint8)
    luma[:48, :64] = 220
    path = with_matrix(write(tmp_path / "a.mp4", [grey_frame(luma)], codec="libx264"), matrix)
    with open_video(path) as video:
        y = next(video.frames()).planes[0]
    assert y.shape == ((96, 128) if matrix[0] else (128, 96))
    h, w = y.shape[0] // 2, y.shape[1] // 2
    quarters = {"top left": y[:h, :w], "top right": y[:h, w:], "bottom left": y[h:, :w], "bottom right": y[h:, w:]}
    assert max(quarters, key=lambda corner: float(quarters[corner].mean())) == wanted


@pytest.mark.parametrize(
    ("size", "coded"),
    [
        ((640, 360), (640, 360)),
        ((853, 479), (852, 478)),
        ((1080, 1920), (1080, 1920)),
        ((3840, 2160), (1920, 1080)),
        ((2160, 3840), (1080, 1920)),
        ((1440, 1440), (1080, 1080)),
        ((2560, 1080), (1920, 810)),
        ((30, 20), (96, 64)),
        ((640, 40), (1024, 64)),
        ((2, 2), (64, 64)),
        ((4000, 20), (1920, 64)),
    ],
)
def test_every_shape_gets_a_size_that_can_be_coded(size: tuple[int, int], coded: tuple[int, int]) -> None:
    assert coded_size(size) == coded


def test_anamorphic_video_gets_the_shape_at_which_it_is_shown() -> None:
    frame = numbered(0, (720, 576))
    assert FrameConverter(aspect=Fraction(64, 45)).planes(frame)[0].shape == (576, 1024)
    assert FrameConverter(aspect=Fraction(8, 9)).planes(frame)[0].shape == (648, 720)
    assert FrameConverter(aspect=Fraction(0)).planes(frame)[0].shape == (576, 720)


def test_later_frames_are_scaled_to_the_first_and_keep_their_shape() -> None:
    converter = FrameConverter()
    assert converter.planes(numbered(5, (320, 180)))[0].shape == (180, 320)
    same_shape = converter.planes(numbered(5, (160, 90)))[0]
    assert (same_shape.shape, same_shape.min(), same_shape.max()) == ((180, 320), 40, 40)
    standing = converter.planes(numbered(5, (180, 320)))[0]
    assert standing.shape == (180, 320)
    assert standing[:, 110:210].min() == 40
    assert standing[:, :100].max() == standing[:, 220:].max() == 16


def test_several_threads_may_convert_one_frame() -> None:
    shared = av.VideoFrame.from_ndarray(np.full((270, 480, 3), 90, np.uint8), "rgb24")
    wanted = FrameConverter((160, 90)).planes(shared)
    same: list[bool] = []

    def convert(size: tuple[int, int]) -> None:
        converter = FrameConverter(size)
        for _ in range(50):
            y = converter.planes(shared)[0]
            same.append(y.shape == size[::-1] and int(y[0, 0]) == int(wanted[0][0, 0]))

    threads = [threading.Thread(target=convert, args=((160 + 16 * n, 90),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 200
    assert (shared.format.name, shared.colorspace, shared.color_range) == ("rgb24", 2, 0)
