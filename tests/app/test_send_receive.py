"""Laws of `grace-rtc send` and `receive` for what people get wrong: one line, status 2, no call."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from grace_lab.log.file import LogWriter, read_log
from grace_lab.log.schema import SENDER
from grace_rtc.cli import app
from grace_rtc.observer import ConsoleObserver
from grace_sender.app.capture import FrameMissed
from grace_sender.app.send import SendingStatus
from grace_sender.live.adaptation import OperatingPoint, OperatingPointChanged
from grace_sender.live.events import FrameCaptured
from grace_transport.runtime.process import ConnectionChanged, Notice

TO = "--to http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"send --input /no/such.mp4 {TO}", "/no/such.mp4: no such file"),
        (f"send --input webcam:x {TO}", "webcam:x: give webcam or webcam:N"),
        (f"send --input webcam:999 {TO}", "cannot open this camera"),
        (f"send --input builtin:zzz {TO}", "builtin:zzz: no such built-in clip"),
        (f"send --input test {TO} --scheme h265", "or vp8 or h264 (aiortc's own)"),
        (f"send --input test {TO} --scheme stub --cc nope --size 64x64", "no congestion controller is called 'nope'"),
        (f"send --input test {TO} --size 64x64 --token short", "the token must be"),
        (f"send --input test {TO} --size 3x3", "--size: "),
        (f"send --input test {TO} --config /no/such.toml", "/no/such.toml: cannot be read"),
        ("send --input test", "--to: missing"),
        ("send --input test --to 127.0.0.1:1", "no address of a peer"),
        ("receive", "--listen: missing"),
        ("receive --listen here", "'here' is no HOST:PORT"),
        ("receive --listen 0.0.0.0:0", "without a token"),
        ("receive --listen 127.0.0.1:0 --record /no/such/film.mp4", "/no/such/film.mp4: cannot be written"),
        ("receive --listen 127.0.0.1:0 --record-frames /no/such/x", "/no/such/x: cannot be written"),
        ("receive --listen 127.0.0.1:0 --scheme nonsense", "there is no such scheme"),
        ("receive --listen 127.0.0.1:0 --json /dev/null/log --scheme vp8", "/dev/null/log: cannot be written"),
    ],
)
def test_mistake_is_one_line_and_status_2(line: str, says: str) -> None:
    done = CliRunner().invoke(app, line.split())
    assert (done.exit_code, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert says in done.stderr


def test_everything_that_happens_is_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LogWriter.to_file(tmp_path / "s.jsonl")
    observer = ConsoleObserver(SENDER, log, status=True)
    with observer.process({"scheme": "vp8", "video": "test"}):
        for event in (
            Notice(1, "a :x: notice [bold]", warning=True),
            ConnectionChanged(2, "connected"),
            OperatingPointChanged(3, OperatingPoint(320, 180, 10.0), "encoder too slow: 320x180 at 10 fps"),
            FrameCaptured(4, 7, 3, 2, 99, 320, 180),
            FrameMissed(5, 8, 4, 3),
            SendingStatus(6, "connected", "VP8", 250_000, 9.96, 0.015, 0.042, None, None),
        ):
            observer.observe(event)
        observer.ended_with("done")
    log.close()
    names = [event.name for event in read_log(tmp_path / "s.jsonl", may_be_cut=True)]
    assert names == [
        "process_started", "notice", "connection_state", "operating_point", "frame_captured", "frame_captured",
        "frame_skipped", "process_ended",
    ]  # fmt: skip
    told = capsys.readouterr().err
    assert "a :x: notice [bold]" in told
    assert "VP8 250 kbit/s | 10.0 fps | loss 1.5% | rtt 42 ms" in told


def test_log_says_how_a_process_broke(tmp_path: Path) -> None:
    log = LogWriter.to_file(tmp_path / "s.jsonl")
    with pytest.raises(KeyError), ConsoleObserver(SENDER, log, status=False).process({}):
        raise KeyError("surprise")
    log.close()
    ended = next(read_log(tmp_path / "s.jsonl", may_be_cut=True).named("process_ended"))
    assert ended.text("reason") == "KeyError: 'surprise'"
