"""Laws of comparing lab and life: who is compared, what counts as agreement, and that the page shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grace_lab.log.file import write_log
from grace_lab.log.schema import SessionLog
from grace_lab.report import write_report
from grace_lab.report.agreement import Bound, compared, pairs
from grace_lab.report.results import read_run

pytest.importorskip("plotly")


def row(where: str | None, **changes: Any) -> dict[str, Any]:
    facts = {"scheme": "grace-lite", "video": "builtin:talk", "trace": "lte-3", "cc": "gcc", "seed": 1, "where": where}
    figures = {"ssim_db": 15.0, "p50_delay_ms": 200.0, "p98_delay_ms": 300.0, "bitrate_bps": 1e6, "stall_ratio": 0.01}
    return facts | figures | {"non_rendered_ratio": 0.02, "packet_loss_ratio": 0.05} | changes


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "results.json").write_text(json.dumps(list(rows)))
    return folder


def log_of(shift_ms: int) -> SessionLog:
    log = SessionLog()
    names = {"scheme": "grace-lite", "video": "v", "trace": "t", "cc": "gcc", "loss_control": "v2"}
    log.emit(0, "session_started", **names, fps=25, width=64, height=64, seed=1, owd_ms=100, queue_packets=25)
    for frame_id in range(30):
        at_us, delay_us = frame_id * 40_000, 150_000 + 1000 * shift_ms
        log.emit(at_us, "frame_captured", frame_id=frame_id, captured_us=at_us)
        log.emit(at_us, "packet_sent", seq=frame_id, frame_id=frame_id, index=0, bytes=1000, kind="media")
        shown = {"captured_us": at_us, "delay_us": delay_us, "ssim": 0.99, "psnr": 40.0}
        log.emit(at_us + delay_us, "frame_rendered", frame_id=frame_id, **shown)
    return log


@pytest.mark.parametrize(
    ("bound", "live", "lab", "met"),
    [
        (Bound(absolute=15), 200.0, 215.0, True),
        (Bound(absolute=15), 200.0, 184.9, False),
        (Bound(share=0.05), 1e6, 1.05e6, True),
        (Bound(share=0.05), 1e6, 0.94e6, False),
        (Bound(share=0.05), 0.0, 1.0, False),
        (Bound(), 1.0, 1.0, False),
    ],
)
def test_bound_is_met_up_to_its_edge(bound: Bound, live: float, lab: float, met: bool) -> None:
    assert bound.met(live, lab) is met


def test_live_call_is_compared_with_the_labs_of_the_same_cell_alone(tmp_path: Path) -> None:
    rows = [row("live"), row("live", scheme="h264"), row("lab", trace="lte-1"), row("lab", p50_delay_ms=210.0)]
    found = pairs(read_run(written(tmp_path, *rows)))
    assert [(pair.name, pair.lab.number("p50_delay_ms")) for pair in found] == [
        ("grace-lite · builtin:talk · lte-3", 210.0)
    ]


def test_table_says_what_agrees_and_what_differs(tmp_path: Path) -> None:
    lab = row("lab", p50_delay_ms=190.0, bitrate_bps=1.2e6, ssim_db=None)
    made = compared(pairs(read_run(written(tmp_path, row("live"), lab)))[0])
    lines = {line.title: line for line in made.lines}
    assert (lines["P50 delay ms"].difference, lines["P50 delay ms"].verdict) == ("−10.0", "agree")
    assert (lines["kbit/s"].difference, lines["kbit/s"].verdict) == ("+20.0 %", "differ")
    assert (lines["SSIM dB"].difference, lines["SSIM dB"].verdict) == ("–", "cannot be told")
    assert lines["packets lost"].verdict == ""
    assert not made.agree


def test_agreement_needs_every_bound(tmp_path: Path) -> None:
    assert compared(pairs(read_run(written(tmp_path, row("live"), row("lab"))))[0]).agree


def test_page_overlays_live_and_lab(tmp_path: Path) -> None:
    write_log(log_of(0), tmp_path / "logs" / "live.jsonl")
    write_log(log_of(5), tmp_path / "logs" / "lab.jsonl")
    written(tmp_path, row("live", log="logs/live.jsonl"), row("lab", log="logs/lab.jsonl"))
    write_report(tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    body = page[page.index("</head>") :]
    assert "Agreement of lab and life" in body
    assert '<div id="agreement"></div>' in body
    assert '"name":"live"' in body
    assert '"name":"lab"' in body
    assert "processes of their own" in body


def test_page_of_the_lab_alone_says_nothing_of_life(tmp_path: Path) -> None:
    written(tmp_path, row(None))
    write_report(tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    body = page[page.index("</head>") :]
    assert "Agreement" not in body
    assert "processes of their own" not in body
    assert "<video" not in body


def test_page_says_where_the_machine_was_too_slow(tmp_path: Path) -> None:
    written(tmp_path, row("live", frames_too_slow=7), row("live", trace="lte-1", frames_too_slow=0))
    write_report(tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Where the machine was too slow" in page
    assert "grace-lite: 7" in page


def test_films_are_shown_where_they_lie_beside_the_page(tmp_path: Path) -> None:
    (tmp_path / "sidebyside.mp4").write_bytes(b"x")
    written(tmp_path, row("live"))
    write_report(tmp_path, tmp_path / "report.html")
    assert '<video src="sidebyside.mp4"' in (tmp_path / "report.html").read_text()
