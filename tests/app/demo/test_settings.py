"""Laws of the demo's settings: what is wrong shows before a process is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grace_netsim.errors import TraceError
from grace_rtc.cli import app
from grace_rtc.demo.call import make_clip
from grace_rtc.demo.settings import DEFAULT_PIXELS, DemoSettings, fitting_size

pytest.importorskip("av")
pytest.importorskip("cv2")


def test_unknown_scheme_and_repeated_scheme_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no scheme is called av1: use grace-lite"):
        DemoSettings(out=tmp_path, schemes=("av1",))
    with pytest.raises(ValueError, match="each scheme once"):
        DemoSettings(out=tmp_path, schemes=("h264", "h264"))
    with pytest.raises(ValueError, match="no scheme is called"):
        DemoSettings(out=tmp_path, schemes=())


def test_trace_size_and_length_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(TraceError):
        DemoSettings(out=tmp_path, trace="nowhere")
    with pytest.raises(ValueError, match="2 to 600 seconds"):
        DemoSettings(out=tmp_path, seconds=1e9)
    with pytest.raises(Exception, match="even"):
        DemoSettings(out=tmp_path, size=(321, 180))


def test_queue_is_scaled_as_the_rate_is_so_that_it_lasts_as_long(tmp_path: Path) -> None:
    assert DemoSettings(out=tmp_path, scale=0.4, queue_packets=25).queue == 10
    assert DemoSettings(out=tmp_path, scale=0.01, queue_packets=25).queue == 2


def test_default_size_keeps_the_shape_and_never_grows(tmp_path: Path) -> None:
    for size in ((1280, 720), (432, 528), (128, 96)):
        make_clip("builtin:talk", tmp_path / "clip.mkv", size, 5, 1)
        width, height = fitting_size(str(tmp_path / "clip.mkv"))
        assert width * height <= max(1.02 * DEFAULT_PIXELS, 0)
        assert (width, height) == size or width * height > 0.98 * DEFAULT_PIXELS
        assert abs(width / height - size[0] / size[1]) < 0.02
        assert width % 2 == height % 2 == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--video", "no-such.mp4"], "no such file"),
        (["--trace", "no-such-trace"], "no-such-trace"),
        (["--schemes", "h264,av1"], "no scheme is called av1"),
        (["--size", "big"], "not WIDTHxHEIGHT"),
        (["--cc", "none"], "none"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path: Path, options: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1
