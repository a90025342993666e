"""`grace-rtc codec` and `grace-rtc models` on small files: what they write, and how they refuse."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.codec.media.videos import add_tone, grey_frame, numbered, write
from typer.testing import CliRunner, Result

from grace_codec.files.container import HEADER, StreamReader
from grace_codec.media import open_clip, planes_of
from grace_rtc.commands.codec import app
from grace_rtc.commands.models import app as models_app

RUN = CliRunner()


def codec(*arguments: object) -> Result:
    return RUN.invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "talk.grc"
    made = codec("encode", "builtin:talk", out, "--bitrate", "200k", "--size", "192x112", "--seconds", "0.4")
    assert made.exit_code == 0, made.output
    return out


def test_encoded_files_say_what_they_are(stream: Path) -> None:
    reader = StreamReader(stream)
    assert (reader.info.profile, reader.info.width, reader.info.height, len(reader)) == ("grace-lite", 192, 112, 10)


@pytest.mark.parametrize("loss", ["0", "0.5"])
def test_decoding_writes_a_video_of_every_frame(stream: Path, tmp_path: Path, loss: str) -> None:
    made = codec("decode", stream, tmp_path / "out.mp4", "--loss", loss)
    assert made.exit_code == 0, made.output
    with open_clip(tmp_path / "out.mp4") as clip:
        assert (clip.count(), clip.width, clip.height) == (10, 192, 112)


def test_decoding_from_a_later_frame_writes_the_rest(stream: Path, tmp_path: Path) -> None:
    assert codec("decode", stream, tmp_path / "out.mp4", "--start", "7").exit_code == 0
    with open_clip(tmp_path / "out.mp4") as clip:
        assert clip.count() == 3


def test_a_fixed_level_is_coded(tmp_path: Path) -> None:
    out = tmp_path / "a.grc"
    arguments = ("builtin:pan", out, "--level", 16, "--size", "128x64", "--seconds", "0.12")
    assert codec("encode", *arguments).exit_code == 0
    assert StreamReader(out).frame(2).payloads[0][1] == 16


def packets_of(path: Path, kind: str) -> list[float]:
    """Presentation times of the packets of the first stream of a kind, in s."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        packets = container.demux(stream)
        return sorted(float(p.pts * p.time_base) for p in packets if p.pts is not None and p.time_base is not None)


def test_times_colour_shape_and_sound_come_through(tmp_path: Path) -> None:
    """A phone's file: variable rate, full range BT.709, anamorphic, with sound."""
    times = [0, 40, 80, 400, 440, 800]
    luma = np.repeat(np.array([0, 64, 200, 255], np.uint8), 40)[None].repeat(96, 0)
    frames = [grey_frame(luma, "yuvj420p") for _ in times]
    twice = Fraction(2, 1)
    silent = tmp_path / "silent.mp4"
    write(silent, frames, times, codec="libx264", color_range=2, colorspace=1, sample_aspect_ratio=twice)
    phone = add_tone(silent, tmp_path / "phone.mp4", 0.8)
    coded, out = tmp_path / "phone.grc", tmp_path / "out.mp4"
    assert codec("encode", phone, coded, "--level", "60").exit_code == 0
    assert codec("decode", coded, out).exit_code == 0
    assert packets_of(out, "video") == pytest.approx([at / 1000 for at in times], abs=0.001)
    assert len(packets_of(out, "audio")) == pytest.approx(0.8 * 48000 / 1024, abs=2)
    with av.open(str(out)) as container:
        film = container.streams.video[0]
        frame = next(container.decode(film))
        assert (film.width, film.height, film.color_range, film.colorspace) == (320, 96, 1, 6)
        y = planes_of(frame)[0]
        assert [int(value) for value in y[48, 40::80]] == pytest.approx([16, 71, 188, 235], abs=3)
        assert container.streams.audio[0].codec_context.name == "aac"


def test_sound_that_mp4_cannot_hold_is_coded_anew(tmp_path: Path) -> None:
    film = write(tmp_path / "film.mkv", [numbered(n) for n in range(10)])
    source = add_tone(film, tmp_path / "both.mkv", 0.4, codec="wavpack")
    coded, out = tmp_path / "a.grc", tmp_path / "a.mp4"
    assert codec("encode", source, coded, "--level", "30").exit_code == 0
    assert codec("decode", coded, out).exit_code == 0
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    assert packets_of(out, "audio")[-1] == pytest.approx(0.4, abs=0.05)


def test_raw_frames_go_in_and_y4m_and_raw_frames_come_out(tmp_path: Path) -> None:
    raw = tmp_path / "sequence.yuv"
    raw.write_bytes(b"".join(bytes([60 + n]) * 128 * 64 + bytes([128]) * 128 * 32 for n in range(5)))
    coded = tmp_path / "a.grc"
    assert codec("encode", raw, coded, "--level", "100", "--size", "128x64", "--fps", "30").exit_code == 0
    assert codec("decode", coded, tmp_path / "a.y4m").exit_code == 0
    assert codec("decode", coded, tmp_path / "a_128x64_30.yuv").exit_code == 0
    assert (tmp_path / "a.y4m").read_bytes().startswith(b"YUV4MPEG2 W128 H64 F30:1")
    for name in ("a.y4m", "a_128x64_30.yuv"):
        with open_clip(tmp_path / name) as clip:
            assert (clip.count(), clip.fps) == (5, 30)
            assert float(clip.frame(4).y.mean()) == pytest.approx(64, abs=1.5)


def refused(result: Result, reason: str) -> None:
    assert result.exit_code == 2
    assert reason in result.output
    assert "Traceback" not in result.output


def test_files_that_are_not_streams_or_damaged_are_refused(stream: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "b.grc"
    foreign.write_bytes(b"something else")
    refused(codec("decode", foreign, tmp_path / "x.mp4"), "not a GRACE stream")
    cut = tmp_path / "c.grc"
    cut.write_bytes(stream.read_bytes()[:-50])
    refused(codec("decode", cut, tmp_path / "x.mp4"), "cut short")
    refused(codec("decode", tmp_path / "missing.grc", tmp_path / "x.mp4"), "No such file")


def test_a_file_of_another_model_is_refused(stream: Path, tmp_path: Path) -> None:
    import zlib

    data = bytearray(stream.read_bytes())
    data[12:16] = b"\1\2\3\4"
    data[HEADER.size - 4 : HEADER.size] = zlib.crc32(data[: HEADER.size - 4]).to_bytes(4, "big")
    other = tmp_path / "other.grc"
    other.write_bytes(bytes(data))
    refused(codec("decode", other, tmp_path / "x.mp4"), "install the version that wrote it")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("encode", "builtin:talk", "OUT"), "either --bitrate or --level"),
        (("encode", "builtin:talk", "OUT", "--bitrate", "fast"), "800k"),
        (("encode", "builtin:talk", "OUT", "--bitrate", "1M", "--size", "big"), "640x360"),
        (("encode", "builtin:talk", "OUT", "--level", "999", "--seconds", "0.1"), "levels 0 to"),
        (("encode", "nowhere.mp4", "OUT", "--bitrate", "1M"), "no such file"),
        (("encode", "builtin:talk", "OUT", "--bitrate", "1M", "--profile", "other"), "unknown profile"),
        (("eval", "--video", "builtin:talk", "--json", "OUT", "--against", "mpeg1"), "unknown codec"),
        (("tables", "grace-lite", "nowhere"), "no usable clip"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    refused(codec(*(tmp_path / "out" if a == "OUT" else a for a in arguments)), reason)


def test_models_are_listed_and_verified() -> None:
    listed = RUN.invoke(models_app, ["list"])
    assert "grace-lite" in listed.output
    verified = RUN.invoke(models_app, ["verify"])
    assert verified.exit_code == 0
    assert verified.output.count(" ok ") == 3
