"""Laws of recordings: real times, any size, readable whatever happens, and never in the way of the call."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from grace_receiver.app.record import Mp4Writer, RawWriter, Recording
from grace_receiver.app.recordings import Recordings
from grace_receiver.errors import RecordError


def picture(value: int, width: int = 96, height: int = 64) -> av.VideoFrame:
    noise = np.random.default_rng(value).integers(0, 40, (height * 3 // 2, width)).astype(np.uint8)
    return av.VideoFrame.from_ndarray(noise + np.uint8(value), format="yuv420p")


def times_ms(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(float(frame.time or 0) * 1000) for frame in container.decode(video=0)]


def test_video_has_the_times_at_which_frames_were_shown(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    video = Recording(Mp4Writer(path), path)
    for at_ms in (5_000, 5_040, 5_080, 6_500, 6_540):  # a stall of 1.4 s
        assert video.add(picture(at_ms % 100), at_ms * 1000)
    video.close(8_000_000)
    assert video.error is None
    assert times_ms(path) == [0, 40, 80, 1500, 1540, 3000]


def test_video_keeps_its_first_size(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    video = Recording(Mp4Writer(path), path)
    for n, (width, height) in enumerate([(96, 64), (64, 48), (128, 96), (97, 65)]):
        video.add(picture(n, width & ~1, height & ~1), n * 40_000)
    video.close(0)
    with av.open(str(path)) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(96, 64)}
    assert video.error is None


def test_video_of_a_killed_process_can_be_read(tmp_path: Path) -> None:
    path, torn = tmp_path / "video.mp4", tmp_path / "torn.mp4"
    writer = Mp4Writer(path)
    for n in range(120):
        writer.write(picture(n % 50), n * 40_000)
    shutil.copy(path, torn)
    writer.close(0)
    assert len(times_ms(torn)) >= 50
    assert len(times_ms(path)) == 120
    assert path.read_bytes().count(b"ftyp") == 2 or b"moov" in path.read_bytes()


def test_video_without_frames_closes(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    video = Recording(Mp4Writer(path), path)
    video.close(1)
    assert video.error is None


def test_two_frames_in_one_tick_and_clocks_that_step_back_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    video = Recording(Mp4Writer(path), path)
    for at_us in (1_000_000, 1_000_000, 1_000_005, 900_000, 1_040_000):
        video.add(picture(1), at_us)
    video.close(0)
    assert video.error is None
    assert times_ms(path) == [0, 40]


def test_raw_record_is_every_pixel_in_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "frames.yuv"
    record = Recording(RawWriter(path), path)
    pictures = [picture(1), picture(2, 70, 66)]
    for n, one in enumerate(pictures):
        record.add(one, n)
    record.close(0)
    assert path.read_bytes() == b"".join(one.to_ndarray().tobytes() for one in pictures)


@pytest.mark.parametrize("writer", [Mp4Writer, RawWriter])
def test_place_that_cannot_be_written_is_said_at_once(tmp_path: Path, writer: type) -> None:
    with pytest.raises(RecordError, match="cannot be written"):
        writer(tmp_path / "nowhere" / "video.mp4")


class Stuck:
    """A disk that takes its time."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.written = 0
        self.fails = False

    def write(self, picture: av.VideoFrame, at_us: int) -> None:
        self.go.wait(10)
        if self.fails:
            raise OSError(28, "No space left on device")
        self.written += 1

    def close(self, end_us: int) -> None:
        return


def test_slow_disk_costs_frames_and_never_the_call(tmp_path: Path) -> None:
    writer = Stuck()
    record = Recording(writer, tmp_path / "x", frame_bytes=16 << 20)
    taken = [record.add(picture(1), n) for n in range(50)]
    assert record.dropped == taken.count(False) > 30
    writer.go.set()
    record.close(0)
    assert writer.written == taken.count(True)


def test_full_disk_ends_the_record_with_a_reason(tmp_path: Path) -> None:
    writer = Stuck()
    writer.fails = True
    writer.go.set()
    record = Recording(writer, tmp_path / "x", frame_bytes=16 << 20)
    for n in range(50):
        record.add(picture(1), n)
    record.close(0)
    assert record.error is not None
    assert "No space left on device" in record.error


# -- the recordings of a process ---------------------------------------------------------------------------------------


async def test_every_call_has_its_video_and_all_share_the_frames(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "video.mp4", tmp_path / "frames.yuv")
    for call in range(2):
        for n in range(3):
            assert recordings.add(picture(n), (call * 10 + n) * 1_000_000)
        await recordings.end_video((call * 10 + 3) * 1_000_000)
    await recordings.close(0)
    assert times_ms(tmp_path / "video.mp4") == times_ms(tmp_path / "video-2.mp4") == [0, 1000, 2000, 3000]
    assert (tmp_path / "frames.yuv").stat().st_size == 6 * 96 * 64 * 3 // 2
    assert recordings.problems == []


async def test_video_that_cannot_begin_is_said_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    recordings = Recordings(folder / "video.mp4", tmp_path / "frames.yuv")
    assert recordings.add(picture(1), 0)
    await recordings.end_video(1)
    shutil.rmtree(folder)
    assert recordings.add(picture(1), 2)
    assert recordings.add(picture(1), 3)
    assert len(recordings.problems) == 1
    assert "video-2.mp4: cannot be written" in recordings.problems[0]
    await recordings.close(4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
async def test_full_disk_is_said_once_and_frames_count_again(tmp_path: Path) -> None:
    recordings = Recordings(None, Path("/dev/full"))
    for n in range(1000):
        recordings.add(picture(1), n)
        recordings.look_after()
        if recordings.problems:
            break
        await asyncio.sleep(0.005)
    assert "No space left on device" in recordings.problems[0]
    assert recordings.add(picture(1), 0)
    await recordings.close(0)
    assert len(recordings.problems) == 1
