"""`grace-rtc codec` and `grace-rtc models` on small files: what they write, and how they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grace_codec.files.container import HEADER, StreamReader
from grace_codec.media import open_clip
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
