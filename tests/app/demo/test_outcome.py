"""Laws of a call's outcome: its stats, and what is read from the recording of shown frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.app.demo.parts import call_log, frame

from grace_codec.types import Planes
from grace_lab.errors import LogError
from grace_lab.log.merge import CapturedFrame, ShownFrame
from grace_lab.log.schema import SessionLog
from grace_rtc.demo.outcome import Sent, ShownVideo, measured_quality, scaled_planes, stats_of

pytest.importorskip("av")
pytest.importorskip("cv2")

SENT = Sent(320, 180, 12.5, "grace-lite")


def test_stats_are_those_of_the_log() -> None:
    stats = stats_of(call_log(lost=(10, 11, 12, 13, 14)), SENT)
    assert (stats["frames_sent"], stats["frames_rendered"], stats["non_rendered_ratio"]) == (25, 20, 0.2)
    assert stats["p50_delay_ms"] == stats["p98_delay_ms"] == 150.0
    assert stats["stall_ratio"] == 0.24  # from frame 9 on the screen to frame 15: 6 intervals of 80 ms, of 2 s
    assert (stats["ssim_db"], stats["bitrate_bps"]) == (20.0, 100_000.0)
    assert (stats["width"], stats["height"], stats["fps"], stats["profile"]) == (320, 180, 12.5, "grace-lite")


def test_frames_count_as_too_slow_if_a_codec_had_no_time_for_them() -> None:
    log = call_log()
    for frame_id in (3, 4):
        log.emit(5, "frame_skipped", frame_id=frame_id, reason="encoder too slow")
    log.emit(6, "frame_lost", frame_id=5, reason="decoder too slow")
    log.emit(6, "frame_lost", frame_id=6, reason="nothing to decode")
    assert stats_of(log, SENT)["frames_too_slow"] == 3


def shown_log(*sizes: tuple[int, int]) -> SessionLog:
    log = SessionLog()
    for index, (width, height) in enumerate(sizes):
        log.emit(index, "frame_shown", index=index, rtp_timestamp=index, width=width, height=height)
    return log


def test_recording_is_read_frame_by_frame_whatever_their_sizes(tmp_path: Path) -> None:
    frames = [frame(10), frame(20, (32, 16)), frame(30)]
    (tmp_path / "r").write_bytes(b"".join(plane.tobytes() for planes in frames for plane in planes))
    with ShownVideo(tmp_path / "r", shown_log((64, 64), (32, 16), (64, 64), (64, 64))) as video:
        for index in (2, 0, 1):
            planes = video.frame(index)
            assert planes is not None
            assert planes[0].shape == frames[index][0].shape
            assert (planes[0] == 10 * (index + 1)).all()
        assert video.frame(3) is None  # its process was killed before it wrote this one
        assert video.frame(9) is None


def test_frame_that_was_shown_but_not_recorded_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"".join(plane.tobytes() for plane in frame(10)))
    log = SessionLog()
    for index in (-1, 0):
        log.emit(5, "frame_shown", index=index, rtp_timestamp=0, width=64, height=64)
    with ShownVideo(tmp_path / "r", log) as video:
        assert video.frame(0) is not None
        assert video.frame(-1) is None


@pytest.mark.parametrize("size", [(0, 64), (63, 64), (100_000, 64)])
def test_recording_of_impossible_sizes_is_an_error(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "r").write_bytes(bytes(100))
    with pytest.raises(LogError, match="damaged"):
        ShownVideo(tmp_path / "r", shown_log(size))


def test_missing_recording_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="recording of shown frames"):
        ShownVideo(tmp_path / "none", shown_log((64, 64)))


def test_smaller_frame_is_compared_at_the_captured_size(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 128, 2, dtype=np.uint8), (64, 1))
    captured: Planes = (ramp, ramp[::2, ::2].copy(), ramp[::2, ::2].copy())
    small = scaled_planes(captured, 32, 32)
    (tmp_path / "r").write_bytes(b"".join(plane.tobytes() for plane in (*captured, *small)))
    shown = [ShownFrame(index, 0, 0, 0, CapturedFrame(index + 5, 0, 0)) for index in range(2)]
    with ShownVideo(tmp_path / "r", shown_log((64, 64), (32, 32))) as video:
        found = measured_quality(shown, video, lambda number: captured)
    assert found[5].ssim == 1.0
    assert 0.9 < found[6].ssim < 1.0
