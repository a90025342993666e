"""Laws of the cache of encoded clips: what was stored comes back, whatever else is on disk counts as absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.baselines.cache import StreamCache, cache_folder, pack_stream, stream_key, unpack_stream
from grace_codec.baselines.classical import ClassicalStream, Quality

STREAM = ClassicalStream("libx265", 64, 64, (b"first", b"", b"third packet"))


def test_stored_stream_comes_back(tmp_path: Path) -> None:
    cache = StreamCache(tmp_path)
    assert cache.load("k1") is None
    cache.store("k1", STREAM)
    assert cache.load("k1") == STREAM
    assert StreamCache(tmp_path).load("k1") == STREAM
    assert not list(tmp_path.rglob("*.part"))


def test_file_under_another_name_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = StreamCache(tmp_path)
    cache.store("k1", STREAM)
    (cache.folder / "k1.bin").rename(cache.folder / "k2.bin")
    assert cache.load("k2") is None
    assert "another key" in caplog.text


@pytest.mark.parametrize("position", [0, 9, 40, -40, -1])
def test_damaged_file_counts_as_absent(tmp_path: Path, position: int, caplog: pytest.LogCaptureFixture) -> None:
    cache = StreamCache(tmp_path)
    cache.store("k1", STREAM)
    path = cache.folder / "k1.bin"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    assert cache.load("k1") is None
    assert "made anew" in caplog.text


@given(st.binary(max_size=300))
def test_any_bytes_unpack_or_raise_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a cached stream"):
        unpack_stream(data, "k1")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_truncated_and_extended_files_are_refused(length: int, tail: bytes) -> None:
    whole = pack_stream("k1", STREAM)
    for data in (whole[: min(length, len(whole) - 1)], whole + tail):
        with pytest.raises(ValueError, match="not a cached stream"):
            unpack_stream(data, "k1")


def test_least_recently_used_files_go_first(tmp_path: Path) -> None:
    size = len(pack_stream("k1", STREAM))
    cache = StreamCache(tmp_path, max_bytes=2 * size)
    cache.store("k1", STREAM)
    cache.store("k2", STREAM)
    os.utime(cache.folder / "k1.bin", (2_000_000_000, 2_000_000_000))
    os.utime(cache.folder / "k2.bin", (1_000_000_000, 1_000_000_000))
    cache.store("k3", STREAM)
    os.utime(cache.folder / "k3.bin")
    assert cache.load("k2") is None
    assert cache.load("k1") == cache.load("k3") == STREAM


def test_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "streams").write_text("a file in the way")
    cache = StreamCache(tmp_path)
    cache.store("k1", STREAM)
    assert cache.load("k1") is None
    assert "set GRACE_CACHE" in caplog.text


def test_environment_chooses_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("GRACE_CACHE")
    assert cache_folder().name == "grace-rtc"


def test_key_depends_on_pictures_quality_and_rate_of_frames() -> None:
    keys = {stream_key(d, "libx265", Quality(q), fps) for d in "ab" for q in (20.0, 21.0) for fps in (25.0, 30.0)}
    assert len(keys) == 8
