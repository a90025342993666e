"""Files as phones, cameras and recorders make them, through `send` and `receive --record`: what a player shows of the
recording is what it shows of the file."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")
pytest.importorskip("openvino", reason="the codec extra is not installed")

import av
import numpy as np
from tests.codec.media.videos import fill, grey_frame, with_matrix, write

from grace_codec.media import planes_of
from grace_codec.media.colour import PQ, tone_mapped_grey

from .apps import apps, free_port, receiver, sender

QUARTERS = (200, 120, 60, 90)  # top left, top right, bottom left, bottom right, as stored
EVEN_MS = [100 * n for n in range(12)]


def quartered(pix_fmt: str = "yuv420p", size: tuple[int, int] = (160, 96)) -> av.VideoFrame:
    width, height = size
    luma = np.empty((height, width), np.uint8)
    luma[: height // 2, : width // 2], luma[: height // 2, width // 2 :] = QUARTERS[:2]
    luma[height // 2 :, : width // 2], luma[height // 2 :, width // 2 :] = QUARTERS[2:]
    return grey_frame(luma, pix_fmt)


def quartered_hdr() -> av.VideoFrame:
    """The quarters as 10-bit code values of PQ."""
    frame = av.VideoFrame(160, 96, "yuv420p10le")
    luma = planes_of(quartered())[0].astype(np.uint16) * 4
    for plane, pixels in zip(frame.planes, (luma, np.full((48, 80), 512, np.uint16)), strict=False):
        fill(plane, pixels)
    fill(frame.planes[2], np.full((48, 80), 512, np.uint16))
    return frame


def portrait(folder: Path) -> Path:
    path = write(folder / "portrait.mp4", [quartered() for _ in EVEN_MS], EVEN_MS, codec="libx264")
    return with_matrix(path, (0, 1, -1, 0, 96, 0))


def mirrored(folder: Path) -> Path:
    path = write(folder / "selfie.mp4", [quartered() for _ in EVEN_MS], EVEN_MS, codec="libx264")
    return with_matrix(path, (-1, 0, 0, 1, 160, 0))


def hdr(folder: Path) -> Path:
    frames = [quartered_hdr() for _ in EVEN_MS]
    tags = {"color_trc": PQ, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    return write(folder / "hdr.mkv", frames, EVEN_MS, codec="libx264", options={"qp": "0"}, **tags)


def variable(folder: Path) -> Path:
    return write(folder / "vfr.mkv", [quartered() for _ in range(6)], [0, 40, 80, 700, 740, 1400])


def full_range(folder: Path) -> Path:
    return write(folder / "full.mkv", [quartered("yuvj420p") for _ in EVEN_MS], EVEN_MS, codec="mjpeg", color_range=2)


def odd_size(folder: Path) -> Path:
    frames = [quartered("yuv444p", (161, 97)) for _ in EVEN_MS]
    return write(folder / "odd.mkv", frames, EVEN_MS)


def anamorphic(folder: Path) -> Path:
    frames = [quartered() for _ in EVEN_MS]
    return write(folder / "wide.mkv", frames, EVEN_MS, codec="libx264", sample_aspect_ratio=Fraction(3, 2))


def one_frame(folder: Path) -> Path:
    return write(folder / "one.mkv", [quartered()])


def slides(folder: Path) -> Path:
    return write(folder / "slides.mkv", [quartered() for _ in range(3)], [0, 2000, 4000])


def damaged(folder: Path) -> Path:
    path = write(folder / "damaged.mkv", [quartered() for _ in EVEN_MS], EVEN_MS)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 60] = bytes(60)
    path.write_bytes(bytes(data))
    return path


def limited(*greys: float) -> list[float]:
    return [16 + 219 * grey / 255 for grey in greys]


HDR_SHOWN = [16 + 219 * tone_mapped_grey((4 * code - 64) / 876, PQ) for code in QUARTERS]
FILES: dict[str, tuple[Callable[[Path], Path], tuple[int, int], list[float], float]] = {
    "portrait": (portrait, (96, 160), [60, 200, 90, 120], 1.1),
    "mirrored": (mirrored, (160, 96), [120, 200, 90, 60], 1.1),
    "hdr": (hdr, (160, 96), HDR_SHOWN, 1.1),
    "variable rate": (variable, (160, 96), [*QUARTERS], 1.4),
    "full range": (full_range, (160, 96), limited(*QUARTERS), 1.1),
    "odd size": (odd_size, (160, 96), [*QUARTERS], 1.1),
    "anamorphic": (anamorphic, (240, 96), [*QUARTERS], 1.1),
    "one frame": (one_frame, (160, 96), [*QUARTERS], 0.0),
    "slides": (slides, (160, 96), [*QUARTERS], 4.0),
    "damaged": (damaged, (160, 96), [*QUARTERS], 1.1),
}
"""How it is made, the size and the luma of the quarters as shown, and the time of the last frame in s."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_recording_of_a_file_looks_as_the_file_does(name: str, tmp_path: Path) -> None:
    make, size, quarters, last_s = FILES[name]
    path, record, port = make(tmp_path), tmp_path / "record.mp4", free_port()
    there = receiver(tmp_path, port, "--once", "--record", str(record))
    here = sender(tmp_path, port, "--input", str(path), "--no-adapt")
    with apps(there, here):
        assert here.process.wait(300) == 0, here.says()
        assert there.process.wait(300) == 0, there.says()
    with av.open(str(record)) as container:
        film = container.streams.video[0]
        assert (film.colorspace, film.color_range) == (6, 1)
        frames = [(float(frame.time), planes_of(frame)[0].astype(float)) for frame in container.decode(film)]
    at_s, luma = frames[-1]
    assert luma.shape == size[::-1]
    h, w = luma.shape[0] // 2, luma.shape[1] // 2
    seen = [luma[:h, :w], luma[:h, w:], luma[h:, :w], luma[h:, w:]]
    assert [float(np.median(quarter)) for quarter in seen] == pytest.approx(quarters, abs=4)
    assert last_s - 0.3 <= at_s <= last_s + 1.5  # the last frame stands until the call is over
