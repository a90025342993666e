"""Laws of `grace-rtc clip`."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.codec.media.videos import grey_frame, write
from typer.testing import CliRunner

from grace_rtc.cli import app


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Three pictures of 96x64 at 25 fps: flat, then the upper half 50 brighter, then the same."""
    path = tmp_path / "steps.mkv"
    flat = np.full((96, 96), 90, np.uint8)
    lit = flat.copy()
    lit[:32] = 140
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for picture in (flat, lit, lit):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_info_tells_size_rate_length_and_complexity(video: Path) -> None:
    result = CliRunner().invoke(app, ["clip", "info", str(video), "--json"])
    facts = json.loads(result.stdout)
    assert (facts["width"], facts["height"], facts["fps"], facts["frames"]) == (96, 64, 25.0, 3)
    assert (facts["ti"], facts["mean_ti"]) == (25.0, 12.5)
    assert 30 < facts["si"] < 60
    text = CliRunner().invoke(app, ["clip", "info", str(video)]).stdout
    assert "96x64, 25.000 fps, 3 frames, 0.12 s" in text


def test_info_tells_what_a_file_states_and_what_is_done_to_it(tmp_path: Path) -> None:
    """A recorder's file that states 30 fps and has 10, anamorphic, full range, BT.709."""
    frames = [grey_frame(np.full((96, 128), 100, np.uint8), "yuvj420p") for _ in range(11)]
    path, times = tmp_path / "recorder.mkv", [100 * n for n in range(11)]
    two = Fraction(2, 1)
    write(path, frames, times, codec="libx264", rate=30, color_range=2, colorspace=1, sample_aspect_ratio=two)
    facts = json.loads(CliRunner().invoke(app, ["clip", "info", str(path), "--json"]).stdout)
    assert (facts["width"], facts["height"], facts["frames"], facts["seconds"]) == (256, 96, 11, 1.1)
    assert (round(facts["fps"], 3), facts["stated_fps"]) == (10, 30)
    assert (facts["range"], facts["matrix"], facts["aspect"], facts["orientation"]) == (
        "full",
        "bt709",
        "2:1",
        "upright",
    )
    assert facts["streams"] == ["video h264 128x96 (shown)"]
    text = CliRunner().invoke(app, ["clip", "info", str(path)]).stdout
    assert "stored as 128x96 yuvj420p, pixels 2:1, upright" in text
    assert "colour: full range, matrix bt709, transfer bt709, primaries bt709" in text
    assert "rate: stated 30, at most 10 fps" in text
    assert "recorder.mkv: 256x96 is scaled to" not in text


def test_file_that_is_no_video_is_one_line_and_status_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["clip", "info", str(tmp_path / "none.mp4")])
    assert result.exit_code == 2
    assert "no such file" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
