"""Laws of the videos of a call: the times of the call, and a mark on what is frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.app.demo.parts import frame

from grace_rtc.demo.comparison_video import Moment, Panel, write_received, write_side_by_side
from grace_rtc.errors import DemoError

pytest.importorskip("av")
pytest.importorskip("cv2")


def luma_of(path: Path) -> list[tuple[float, np.ndarray]]:
    import av

    with av.open(str(path)) as container:
        return [(float(picture.time or 0), picture.to_ndarray(format="gray")) for picture in container.decode(video=0)]


def test_received_video_keeps_the_times_of_the_call(tmp_path: Path) -> None:
    moments = [(100_000, frame(40)), (180_000, frame(120)), (900_000, frame(200))]
    assert write_received(tmp_path / "f.mp4", moments, (64, 64)) == 3
    times = [at for at, _ in luma_of(tmp_path / "f.mp4")]
    assert times == pytest.approx([0.1, 0.18, 0.9], abs=0.002)


def test_video_of_nothing_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no frame"):
        write_received(tmp_path / "f.mp4", [], (64, 64))
    assert not (tmp_path / "f.mp4").exists()


def test_video_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="cannot be written"):
        write_received(tmp_path / "file" / "f.mp4", [(0, frame(9))], (64, 64))


def test_side_by_side_shows_each_at_its_time_and_frames_what_stands_still(tmp_path: Path) -> None:
    sent = Panel("sent", [Moment(0, 0), Moment(500_000, 1)], [frame(40), frame(200)].__getitem__, live=False)
    frozen = Panel("received", [Moment(200_000, 0, 150_000)], lambda index: frame(120))
    assert write_side_by_side(tmp_path / "f.mp4", [sent, frozen], (64, 64), 1_000_000) == 25
    columns = [luma for _, luma in luma_of(tmp_path / "f.mp4")]
    middle, left, right = 34 + 240, 240, 486 + 240
    assert columns[2][middle, left] < 60
    assert columns[20][middle, left] > 180
    assert columns[2][middle, right] < 40  # no frame has come yet
    moving, still = columns[7][middle, right], columns[20][middle, right]
    assert moving > 100
    assert still < 0.85 * moving  # darker, and marked
