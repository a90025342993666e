"""Laws of the classical codecs as a building block: one packet per frame, the same in every run, decodable."""

from __future__ import annotations

import numpy as np
import pytest

from grace_codec.baselines.classical import SETTINGS, Bitrate, ClassicalStream, Quality, encode_clip
from grace_codec.errors import BitstreamError
from grace_codec.media import ClipOptions, open_clip
from grace_codec.types import Frame


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with open_clip("builtin:talk", ClipOptions(size=(160, 96), duration_s=0.6)) as clip:
        return list(clip.play())


def luma_psnr(stream: ClassicalStream, frames: list[Frame]) -> float:
    errors = [
        float(np.mean((planes[0].astype(int) - frame.y) ** 2))
        for planes, frame in zip(stream.decoded(), frames, strict=True)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


@pytest.mark.parametrize("codec", SETTINGS)
def test_each_frame_is_one_packet_and_decodes(codec: str, frames: list[Frame]) -> None:
    stream = encode_clip(frames, codec, Bitrate(400_000), 25.0)
    assert len(stream.packets) == len(frames)
    assert luma_psnr(stream, frames) > 28


@pytest.mark.parametrize("codec", SETTINGS)
def test_bytes_are_the_same_in_every_run(codec: str, frames: list[Frame]) -> None:
    assert encode_clip(frames, codec, Bitrate(300_000), 25.0) == encode_clip(frames, codec, Bitrate(300_000), 25.0)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_smaller_crf_is_larger_and_better(codec: str, frames: list[Frame]) -> None:
    fine, coarse = (encode_clip(frames, codec, Quality(crf), 25.0) for crf in (20, 36))
    assert sum(map(len, fine.packets)) > 2 * sum(map(len, coarse.packets))
    assert luma_psnr(fine, frames) > luma_psnr(coarse, frames) + 4


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_encoders_note_of_itself_is_not_sent(codec: str, frames: list[Frame]) -> None:
    stream = encode_clip(frames, codec, Quality(51), 25.0)
    assert b"x26" not in stream.packets[0]


def test_size_that_is_no_multiple_of_the_line_size_decodes() -> None:
    with open_clip("builtin:pan", ClipOptions(size=(98, 66), duration_s=0.2)) as clip:
        frames = list(clip.play())
    stream = encode_clip(frames, "libx265", Quality(20), 25.0)
    assert luma_psnr(stream, frames) > 30


def test_vp8_has_no_constant_quality(frames: list[Frame]) -> None:
    with pytest.raises(ValueError, match="takes a bitrate"):
        encode_clip(frames, "libvpx", Quality(30), 25.0)


def test_unknown_codec_and_no_frames_are_caller_bugs(frames: list[Frame]) -> None:
    with pytest.raises(ValueError, match="known are libx264, libx265, libvpx"):
        encode_clip(frames, "theora", Quality(30), 25.0)
    with pytest.raises(ValueError, match="no frames"):
        encode_clip([], "libx264", Quality(30), 25.0)


def test_damaged_stream_says_so() -> None:
    with pytest.raises(BitstreamError, match="damaged hevc stream"):
        list(ClassicalStream("libx265", 64, 64, (b"\x00\x00\x01garbage",) * 3).decoded())
