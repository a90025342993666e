"""A .grc file comes back as written; a damaged, cut or foreign one is refused with the reason."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_codec.errors import BitstreamError
from grace_codec.files.container import HEADER, StreamInfo, StreamReader, StreamWriter
from grace_codec.types import CodedFrame

INFO = StreamInfo("grace-lite", 1, 0xCAFEBABE, 640, 360, Fraction(30000, 1001))
FRAMES = [CodedFrame(0, True, (b"key" * 30, b"more"), None)] + [
    CodedFrame(i, i == 5, (bytes([i]) * i, b"", b"xyz"), None) for i in range(1, 9)
]


def written(path: Path, frames: list[CodedFrame] = FRAMES) -> Path:
    with StreamWriter(path, INFO) as writer:
        for frame in frames:
            writer.add(frame)
    return path


def test_frames_come_back_in_any_order(tmp_path: Path) -> None:
    reader = StreamReader(written(tmp_path / "a.grc"))
    assert len(reader) == 9
    assert reader.info.fps == Fraction(30000, 1001)
    assert (reader.info.profile, reader.info.identity, reader.info.width) == ("grace-lite", 0xCAFEBABE, 640)
    assert dict(reader.frame(4).payloads) == {0: b"\4\4\4\4", 1: b"", 2: b"xyz"}
    assert [f.key for f in reader] == [True, False, False, False, False, True, False, False, False]


def test_seeking_starts_at_the_key_frame_before(tmp_path: Path) -> None:
    reader = StreamReader(written(tmp_path / "a.grc"))
    assert [reader.key_before(i) for i in (0, 4, 5, 8)] == [0, 0, 5, 5]


def test_a_clip_without_frames_is_a_file(tmp_path: Path) -> None:
    assert len(StreamReader(written(tmp_path / "a.grc", []))) == 0


def test_the_header_is_64_bytes_and_starts_with_its_magic(tmp_path: Path) -> None:
    data = written(tmp_path / "a.grc").read_bytes()
    assert HEADER.size == 64
    assert data[:10].hex() == "4752431a03010040" + "0280"


def test_a_file_whose_writer_died_says_so(tmp_path: Path) -> None:
    writer = StreamWriter(tmp_path / "a.grc", INFO)
    writer.add(FRAMES[0])
    writer.__exit__(RuntimeError, RuntimeError("died"), None)
    with pytest.raises(BitstreamError, match="never finished"):
        StreamReader(tmp_path / "a.grc")


@pytest.mark.parametrize(
    ("start", "stop", "replacement", "reason"),
    [
        (0, 4, b"RIFF", "not a GRACE stream"),
        (4, 5, b"\x09", "version 9"),
        (8, 9, b"\x55", "header is damaged"),
        (60, 64, b"\0\0\0\0", "header is damaged"),
        (-3, None, b"abc", "index is damaged"),
        (-40, None, b"", "cut short"),
        (0, None, b"", "not a GRACE stream"),
    ],
)
def test_damage_is_named(tmp_path: Path, start: int, stop: int | None, replacement: bytes, reason: str) -> None:
    path = written(tmp_path / "a.grc")
    data = bytearray(path.read_bytes())
    data[start:stop] = replacement
    path.write_bytes(bytes(data))
    with pytest.raises(BitstreamError, match=reason):
        StreamReader(path)


def test_a_damaged_frame_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    path = written(tmp_path / "a.grc")
    data = bytearray(path.read_bytes())
    data[HEADER.size + 20] ^= 1
    path.write_bytes(bytes(data))
    reader = StreamReader(path)
    with pytest.raises(BitstreamError, match="frame 0 is damaged"):
        reader.frame(0)
    assert reader.frame(1).total == 3


def test_times_and_sound_are_kept_beside_the_frames(tmp_path: Path) -> None:
    path, times = tmp_path / "a.grc", [0, 33_000, 500_000, 500_001, *range(600_000, 1_100_000, 100_000)]
    with StreamWriter(path, INFO) as writer:
        for frame, at_us in zip(FRAMES, times, strict=True):
            writer.add(frame, at_us)
        writer.attach_sound(BytesIO(b"\x1aE\xdf\xa3" * 1000))
    reader = StreamReader(path)
    assert not reader.even
    assert list(reader.times_us()) == times
    sound = reader.sound()
    assert sound is not None
    assert bytes(sound) == b"\x1aE\xdf\xa3" * 1000
    assert dict(reader.frame(4).payloads) == {0: b"\4\4\4\4", 1: b"", 2: b"xyz"}


def test_times_that_a_container_rounded_are_even(tmp_path: Path) -> None:
    path = tmp_path / "a.grc"
    with StreamWriter(path, INFO) as writer:
        for index, frame in enumerate(FRAMES):
            writer.add(frame, round(index * 1001 / 30) * 1000)
    reader = StreamReader(path)
    assert (reader.even, reader.sound()) == (True, None)
    assert reader.times_us()[8] == 266_933


@pytest.mark.parametrize(("at", "reason"), [(-1, "damaged"), (-30, "damaged"), (-2010, "damaged")])
def test_damaged_sections_are_refused(tmp_path: Path, at: int, reason: str) -> None:
    path = tmp_path / "a.grc"
    with StreamWriter(path, INFO) as writer:
        for frame in FRAMES:
            writer.add(frame)
        writer.attach_sound(BytesIO(bytes(2000)))
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BitstreamError, match=reason):
        StreamReader(path)
    path.write_bytes(bytes(data[:-300]))
    with pytest.raises(BitstreamError, match="cut short"):
        StreamReader(path)


@settings(max_examples=60)
@given(st.data())
def test_any_change_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = written(tmp_path_factory.mktemp("fuzz") / "a.grc")
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(at + 1, len(content)))]))
    with pytest.raises(BitstreamError):
        list(StreamReader(path))
