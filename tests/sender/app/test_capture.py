"""Laws of capturing: where frames come from, their numbers, their times, and what a slow consumer misses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from grace_codec.errors import ClipError
from grace_codec.media import open_clip, planes_of, video_frame
from grace_codec.types import Planes
from grace_sender.app import sources
from grace_sender.app.capture import Capture, Feed, FrameMissed
from grace_sender.app.sources import LoopedClip, SourceFrame, open_source, webcam_device


def planes(value: int, width: int = 64, height: int = 64) -> Planes:
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return np.full((height, width), value, np.uint8), chroma, chroma


def brightness(frame: SourceFrame) -> int:
    return int(planes_of(frame.video)[0][0, 0])


class Numbered:
    """A source whose frames are numbers, `count` of them."""

    name, width, height = "numbered", 64, 64

    def __init__(self, count: int, fps: float = 200.0, live: bool = False, error: Exception | None = None) -> None:
        self.count, self.fps, self.live, self.error = count, fps, live, error
        self.peak_fps = fps
        self.notices: list[str] = []
        self.handed_over = 0
        self.closed = threading.Event()

    def frames(self) -> Iterator[SourceFrame]:
        for number in range(self.count):
            self.handed_over = number + 1
            yield SourceFrame(number, video_frame(planes(number % 200)))
        if self.error is not None:
            raise self.error

    def preview(self, count: int) -> list[Planes]:
        return [planes(number) for number in range(count)]

    def close(self) -> None:
        self.closed.set()


@asynccontextmanager
async def playing(source: Numbered, missed: list[FrameMissed] | None = None) -> AsyncIterator[Feed]:
    feed = Feed(source, on_missed=missed.append if missed is not None else None)
    feed.start()
    try:
        yield feed
    finally:
        await feed.close()


async def all_of(feed: Feed) -> list[Capture]:
    found = []
    while (capture := await feed.next()) is not None:
        found.append(capture)
    return found


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Twelve frames of rising brightness, 10 fps."""
    path = tmp_path / "movie.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(12):
            frame = video_frame(planes(10 + 10 * number, 96, 64))
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


# -- sources -----------------------------------------------------------------------------------------------------------


def test_file_is_played_once_and_numbered(movie: Path) -> None:
    source = open_source(str(movie), None, None, loop=False)
    assert (source.width, source.height, source.fps) == (96, 64, 10)
    frames = list(source.frames())
    assert [frame.number for frame in frames] == list(range(12))
    assert [brightness(frame) for frame in frames] == [10 + 10 * n for n in range(12)]


def test_preview_takes_nothing_from_the_frames(movie: Path) -> None:
    source = open_source(str(movie), None, None, loop=False)
    assert len(source.preview(3)) == 3
    assert [frame.number for frame in source.frames()] == list(range(12))


def test_looped_file_goes_forward_and_backward_as_in_the_lab(movie: Path) -> None:
    source = open_source(str(movie), None, None, loop=True)
    frames = list(islice(source.frames(), 25))
    assert [frame.number for frame in frames] == [*range(12), *range(10, -1, -1), 1, 2]
    with open_clip(movie) as clip:
        assert [brightness(frame) for frame in frames] == [clip.frame(n).y[0, 0] for n in range(25)]
    source.close()


def test_file_is_scaled_and_resampled(movie: Path) -> None:
    source = open_source(str(movie), (64, 64), 5, loop=False)
    frames = list(source.frames())
    assert (frames[0].video.width, frames[0].video.height, len(frames)) == (64, 64, 6)


def test_scene_never_ends() -> None:
    source = open_source("builtin:talk", (64, 64), 2, loop=False)
    assert isinstance(source, LoopedClip)
    assert len(list(islice(source.frames(), 50))) == 50
    source.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"not a video at all\n" * 100, "not a readable video"),
        (b"\x1aE\xdf\xa3" + bytes(500), "not a readable video"),
        (None, "no such file"),
    ],
)
def test_hostile_file_is_a_clear_error(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "bad.mkv"
    if content is not None:
        path.write_bytes(content)
    for loop in (False, True):
        with pytest.raises(ClipError, match=says):
            open_source(str(path), None, None, loop)


def test_file_that_breaks_in_the_middle_says_where(movie: Path) -> None:
    data = bytearray(movie.read_bytes())
    half = len(data) // 2
    data[half : half + 4000] = bytes(min(4000, len(data) - half))
    movie.write_bytes(bytes(data))
    source = open_source(str(movie), None, None, loop=False)
    try:
        count = len(list(source.frames()))
    except ClipError as error:
        assert "broken after" in str(error)  # noqa: PT017, ffmpeg may also pass over the damage
    else:
        assert count <= 12


def test_looped_file_beyond_the_memory_begins_again_at_its_start(movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CLIP_MEMORY_BYTES", 5 * 96 * 64 * 3 // 2)
    source = open_source(str(movie), None, None, loop=True)
    frames = list(islice(source.frames(), 30))
    assert [frame.number for frame in frames] == [*range(12), *range(12), *range(6)]
    assert [frame.at_us for frame in frames] == [100_000 * index for index in range(30)]
    source.close()


def test_frames_of_a_file_are_due_at_their_own_times(tmp_path: Path) -> None:
    times_ms = [0, 20, 40, 400, 420]
    path = tmp_path / "variable.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for at_ms in times_ms:
            frame = video_frame(planes(100, 96, 64))
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for loop in (False, True):
        source = open_source(str(path), None, None, loop)
        shown = [frame.at_us for frame in islice(source.frames(), 7)]
        assert shown[:5] == [1000 * at_ms for at_ms in times_ms]
        assert shown[5:] == ([440_000, 800_000] if loop else [])
        assert (round(source.fps, 2), round(source.peak_fps, 2)) == (9.52, 50)
        source.close()


@pytest.mark.parametrize(
    ("text", "platform", "device", "driver"),
    [
        ("webcam", "linux", "/dev/video0", "v4l2"),
        ("webcam:2", "linux", "/dev/video2", "v4l2"),
        ("webcam:1", "darwin", "1:none", "avfoundation"),
        ("webcam", "win32", "video=0", "dshow"),
    ],
)
def test_webcam_is_named_as_the_platform_does(text: str, platform: str, device: str, driver: str) -> None:
    assert webcam_device(text, platform) == (device, driver)


@pytest.mark.parametrize("text", ["webcam:x", "webcam:-1", "webcam:12345", "webcam:/etc/passwd", "webcam:²"])
def test_webcam_of_another_name_is_an_error(text: str) -> None:
    with pytest.raises(ClipError, match="webcam:N with a number"):
        webcam_device(text, "linux")


def test_webcam_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ClipError, match="cannot open this camera"):
        open_source("webcam:999", None, None, loop=False)


def test_unknown_platform_has_no_webcam() -> None:
    with pytest.raises(ClipError, match="no driver for cameras"):
        webcam_device("webcam", "plan9")


# -- the feed ----------------------------------------------------------------------------------------------------------


async def test_every_frame_comes_in_order_with_times_one_interval_apart() -> None:
    missed: list[FrameMissed] = []
    async with playing(Numbered(20, fps=50), missed) as feed:
        captures = await all_of(feed)
    assert sorted([c.source_frame for c in captures] + [m.source_frame for m in missed]) == list(range(20))
    assert all(capture.video.pts == capture.captured_us for capture in captures)
    assert all(capture.video.opaque == (capture.frame_id, capture.source_frame) for capture in captures)
    for before, after in pairwise(captures):
        steps = after.frame_id - before.frame_id
        assert after.captured_us - before.captured_us == pytest.approx(20_000 * steps, abs=2)
    assert feed.error is None


async def test_end_is_told_to_everyone_who_asks() -> None:
    async with playing(Numbered(1)) as feed:
        assert await feed.next() is not None
        assert await feed.next() is None
        assert await feed.next() is None


async def test_slow_consumer_misses_frames_and_never_gets_late_ones() -> None:
    missed: list[FrameMissed] = []
    async with playing(Numbered(100, fps=100), missed) as feed:
        first = await feed.next()
        await asyncio.sleep(0.25)
        second = await feed.next()
    assert first is not None
    assert second is not None
    assert second.frame_id >= 20
    assert [m.frame_id for m in missed] == list(range(1, second.frame_id))


async def test_file_waits_while_there_is_no_call() -> None:
    missed: list[FrameMissed] = []
    async with playing(Numbered(100, fps=100), missed) as feed:
        assert await feed.next() is not None
        feed.pause()
        await asyncio.sleep(0.25)
        after = await feed.next()
    assert after is not None
    assert (after.frame_id, missed) == (1, [])


async def test_source_that_breaks_ends_with_its_error() -> None:
    async with playing(Numbered(3, error=ClipError("broken after 3 frames"))) as feed:
        await all_of(feed)
        assert str(feed.error) == "broken after 3 frames"


async def test_bug_while_reading_ends_the_feed_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with playing(Numbered(3, error=KeyError("surprise"))) as feed:
        await all_of(feed)
        assert "reading failed" in str(feed.error)
    assert "surprise" in caplog.text


async def test_nobody_reads_further_ahead_than_a_few_frames() -> None:
    source = Numbered(10**6, fps=100)
    async with playing(source) as feed:
        assert await feed.next() is not None
        await asyncio.sleep(0.05)
        assert source.handed_over <= 70
    assert source.closed.is_set()


async def test_of_a_camera_the_newest_frame_counts() -> None:
    source = Numbered(500, live=True)
    async with playing(source) as feed:
        while source.handed_over < 500:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        capture = await feed.next()
        assert capture is None  # all 500 came while nobody asked, and the camera has ended


async def test_feed_that_nobody_asks_can_be_closed() -> None:
    source = Numbered(10**6)
    async with playing(source):
        pass
    assert source.closed.is_set()
