"""Laws of the demo as people run it: real processes on loopback, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grace_rtc.demo import call
from grace_rtc.demo.call import CallFiles, run_call, write_network
from grace_rtc.demo.run import run_demo
from grace_rtc.demo.settings import DemoSettings
from grace_rtc.errors import DemoError

pytest.importorskip("aiortc")
pytest.importorskip("plotly")

PATIENCE_S = 300.0  # a guard against waiting for ever; no verdict depends on it


class Silent:
    """A display that keeps what it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, name: str, total: float | None) -> None:
        self.steps.append(name)

    def update(self, done: float, note: str = "") -> None:
        return


def asked(out: Path, **changes: object) -> DemoSettings:
    small = {
        "schemes": ("stub", "vp8"),
        "seconds": 2,
        "size": (128, 96),
        "fps": 10,
        "trace": "fcc-1",
        "scale": 1,
        "owd_ms": 20,
    }
    return DemoSettings(out=out, **{**small, **changes})  # type: ignore[arg-type]


def test_demo_leaves_videos_stats_and_a_page(tmp_path: Path) -> None:
    display = Silent()
    result = run_demo(asked(tmp_path, adapt=False), True, display)
    assert set(result.calls) == {"stub", "vp8"}
    for stats in result.calls.values():
        assert stats["frames_rendered"] > 0  # type: ignore[operator]
        assert stats["bitrate_bps"] > 0  # type: ignore[operator]
    for name in ("received.mp4", "sidebyside.mp4", "report.html", "results.json"):
        assert (tmp_path / name).stat().st_size > 100
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["scheme"] == "stub"
    assert summary["schemes"]["vp8"]["ssim_db"] > 5
    assert result.agreement is not None
    assert [line.title for line in result.agreement.lines][:2] == ["P50 delay ms", "kbit/s"]
    assert not list(tmp_path.rglob("*.i420"))
    assert "call with aiortc's VP8" in display.steps


def test_process_that_dies_is_told_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_network("fcc-1", 1, tmp_path / "network.rates")

    def broken(settings: DemoSettings, scheme: str, network: str, files: CallFiles) -> list[str]:
        return ["send", "--input", str(tmp_path / "no-such-clip.mkv"), "--to", network, "--json", str(files.sender)]

    monkeypatch.setattr(call, "send_command", broken)
    with pytest.raises(DemoError, match=r"(?s)send ended with status 2; it said last:.*no-such-clip"):
        run_call(asked(tmp_path), "stub", tmp_path / "stub", lambda note, done: None)


@pytest.fixture
def running_demo(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "from grace_rtc.cli import main; main()", "demo"]
    options = [
        "--schemes",
        "stub",
        "--seconds",
        "120",
        "--size",
        "128x96",
        "--fps",
        "5",
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid) and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, what
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_children_never_outlive_the_demo(running_demo: subprocess.Popen[bytes], number: signal.Signals) -> None:
    eventually(lambda: len(children_of(running_demo.pid)) >= 2, "two processes run")
    children = children_of(running_demo.pid)
    running_demo.send_signal(number)
    status = running_demo.wait(PATIENCE_S)
    assert status == (-9 if number is signal.SIGKILL else 130)
    eventually(lambda: not any(map(alive, children)), "all have ended")
