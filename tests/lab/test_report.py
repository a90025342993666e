"""Laws of the report: one self-contained page that stays small, names its origin, and lets no text break out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_lab.errors import LogError, ReportError
from grace_lab.log.file import write_log
from grace_lab.log.schema import SessionLog
from grace_lab.report import write_provenance, write_report
from grace_lab.report.charts import cdf
from grace_lab.report.results import read_run
from grace_lab.report.tables import means, written
from grace_lab.report.timeline import timeline

pytest.importorskip("plotly")

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    facts = {"scheme": "h265", "video": "clips/a.mp4", "trace": "lte-1", "cc": "gcc", "seed": 1, "owd_ms": 100.0}
    figures = {"ssim_db": 15.0, "p98_delay_ms": 300.0, "stall_ratio": 0.05, "stalls_per_s": 0.1, "bitrate_bps": 1e6}
    return facts | figures | {"non_rendered_ratio": 0.1, "psnr_db": None} | changes


def call_log(frames: int = 20) -> SessionLog:
    """25 fps; every frame shown after 150 ms, but for frames 5 to 14; 2 packets of 500 bytes for each frame."""
    log = SessionLog()
    names = {"scheme": "h265", "video": "v", "trace": "t", "cc": "gcc", "loss_control": "v1"}
    log.emit(0, "session_started", **names, fps=25, width=64, height=64, seed=1, owd_ms=100, queue_packets=25)
    for frame_id in range(frames):
        at_us = frame_id * 40_000
        log.emit(at_us, "link_capacity", bps=2_000_000)
        log.emit(at_us, "link_queue", packets=frame_id % 3, bytes=0)
        log.emit(at_us, "frame_captured", frame_id=frame_id, captured_us=at_us)
        for index in range(2):
            packet = {"seq": 2 * frame_id + index, "frame_id": frame_id, "index": index}
            log.emit(at_us, "packet_sent", **packet, bytes=500, kind="media")
        if not 5 <= frame_id < 15:
            shown = {"captured_us": at_us, "delay_us": 150_000, "ssim": 0.99, "psnr": 40.0}
            log.emit(at_us + 150_000, "frame_rendered", frame_id=frame_id, **shown)
    log.emit(frames * 40_000, "session_ended")
    return log


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two schemes, two traces; one call has a log."""
    rows = [row(scheme=scheme, trace=trace) for scheme in ("h265", "stub") for trace in ("lte-1", "fcc-1")]
    rows[0]["log"] = "logs/first.jsonl"
    write_log(call_log(), tmp_path / "logs" / "first.jsonl")
    (tmp_path / "results.json").write_text(json.dumps(rows))
    return tmp_path


def script(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_page_is_one_file_that_needs_no_network(run: Path) -> None:
    write_report(run, run / "out" / "report.html", NOW)
    page = (run / "out" / "report.html").read_text()
    markup = page[: page.index("<script>")] + page[page.index("</head>") :]
    assert not re.search(r"""(src|href)\s*=|@import|url\(""", markup)
    assert "plotly.js" in page
    assert len(page) < 7_000_000


def test_page_says_what_made_it_and_what_is_idealised(run: Path) -> None:
    write_provenance(run, ["grace-rtc", "lab", "run", "--scheme", "h265"], NOW)
    write_report(run, run / "report.html", NOW)
    page = (run / "report.html").read_text()
    assert "grace-rtc lab run --scheme h265" in page
    assert "2026-11-20 12:00:00+00:00" in page
    assert "changing the quality between frames costs nothing" in page
    assert "Without pixels, and so without SSIM: stub" in page
    assert "cores" in page


def test_run_without_provenance_says_so(run: Path) -> None:
    (run / "run.json").write_text("[]")
    write_report(run, run / "report.html", NOW)
    assert "(not recorded)" in (run / "report.html").read_text()


def test_figures_and_timelines_are_in_the_page(run: Path) -> None:
    write_report(run, run / "report.html", NOW)
    page = (run / "report.html").read_text()
    timelines = script(page, "timelines")
    assert [call["name"] for call in timelines] == ["h265 · a · lte-1 · seed 1"]
    assert timelines[0]["stalls"] == [[0.31, 0.75]]
    for name in ("quality-data", "bars-data", "delay-data", "ssim-data"):
        assert script(page, name)["data"]


def test_run_without_logs_and_without_quality_still_makes_a_page(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps([row(ssim_db=None, log="logs/gone.jsonl")]))
    write_report(tmp_path, tmp_path / "report.html", NOW)
    page = (tmp_path / "report.html").read_text()
    assert "The run has no logs." in page
    assert 'id="quality"' not in page


def test_names_cannot_break_out_of_the_page(run: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    rows = [row(scheme=evil, video=evil, trace=evil, log="logs/first.jsonl")]
    (run / "results.json").write_text(json.dumps(rows))
    write_report(run, run / "report.html", NOW)
    page = (run / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert evil in script(page, "timelines")[0]["name"]


def test_page_of_many_long_calls_stays_small(tmp_path: Path) -> None:
    write_log(call_log(frames=1600), tmp_path / "logs" / "a.jsonl")
    rows = [row(trace=f"lte-{n}", log="logs/a.jsonl") for n in range(4)]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    write_report(tmp_path, tmp_path / "report.html", NOW)
    assert (tmp_path / "report.html").stat().st_size < 6_500_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "empty"),
        ("{}", "not a list"),
        ('[{"scheme":"h265"}]', "call 1 has no scheme, video or trace"),
        ('[{"scheme":"a","video":"b","trace":"c","ssim_db":[1]}]', "call 1 has ssim_db"),
        ('[{"scheme":"a","video":"b","trace":"c","ssim_db":NaN}]', "call 1 has ssim_db"),
        ('[{"scheme":"a","video":"b","trace":"c","seed":1' + "0" * 400 + "}]", "call 1 has seed"),
    ],
)
def test_broken_results_say_what_to_do(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ReportError, match=rf"results\.json: .*{reason}.*run the lab again"):
        read_run(tmp_path)


def test_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="give a folder that `grace-rtc lab run` wrote"):
        write_report(tmp_path, tmp_path / "report.html", NOW)


def test_damaged_log_is_an_error_that_names_it(run: Path) -> None:
    (run / "logs" / "first.jsonl").write_text("{}\n")
    with pytest.raises(LogError, match=r"first\.jsonl:1"):
        write_report(run, run / "report.html", NOW)


def test_log_outside_the_run_is_not_read(tmp_path: Path) -> None:
    write_log(call_log(), tmp_path / "secret.jsonl")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps([row(log="../secret.jsonl")]))
    assert read_run(folder)[0].log_path is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(row())), inner, max_size=8),
        max_leaves=12,
    )
)
def test_any_json_reads_as_a_run_or_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "results.json").write_text(json.dumps(content))
    try:
        calls = read_run(tmp_path)
    except ReportError:
        return
    means(calls, lambda call: (call.series,))


def test_series_are_told_apart_by_the_settings_that_differ(tmp_path: Path) -> None:
    rows = [row(), row(seed=2), row(owd_ms=50.0), row(scheme="stub")]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    series = [call.series for call in read_run(tmp_path)]
    assert series == ["h265, 100 ms one way", "h265, 100 ms one way", "h265, 50 ms one way", "stub, 100 ms one way"]


def test_lines_are_means_and_mark_the_best_of_their_rivals(tmp_path: Path) -> None:
    rows = [
        row(ssim_db=14.0, trace="t1"),
        row(ssim_db=16.0, trace="t2"),
        row(ssim_db=18.0, trace="t1", scheme="stub"),
        row(ssim_db=None, trace="t2", scheme="stub"),
    ]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    calls = read_run(tmp_path)
    by_series = {line.names: line.cells[0] for line in means(calls, lambda call: (call.series,))}
    assert {names: cell.text for names, cell in by_series.items()} == {("h265",): "15.00", ("stub",): "18.00"}
    by_trace = {line.names: line.cells[0] for line in means(calls, lambda call: (call.series, call.trace))}
    assert [names for names, cell in by_trace.items() if cell.best] == [("stub", "t1")]
    assert by_trace["stub", "t2"].text == "–"


def test_figures_are_written_for_people() -> None:
    assert written("stall_ratio", 0.01234) == "1.23 %"
    assert written("bitrate_bps", 1_234_567) == "1235"
    assert written("p98_delay_ms", 241.192) == "241.2"
    assert written("ssim_db", None) == "–"


def test_timeline_bins_rates_and_keeps_changes_alone() -> None:
    facts = timeline(call_log())
    assert facts["capacity"] == [2.0, 2.0]  # the first and the last
    assert facts["sent_t"][:3] == [0.0, 0.1, 0.2]
    assert facts["sent"][:3] == [0.24, 0.16, 0.24]  # 3, 2, 3 frames of 1000 bytes in 100 ms
    assert facts["frame_delay"][4:6] == [150.0, None]
    assert facts["frame_ssim"][0] == 20.0
    assert len(facts["unseen"]) == 10


def test_long_timeline_keeps_the_worst_of_each_group() -> None:
    log = call_log(frames=100)
    log.emit(4_000_000, "frame_captured", frame_id=100, captured_us=4_000_000)
    bad = {"captured_us": 4_000_000, "delay_us": 390_000, "ssim": 0.9, "psnr": 30.0}
    log.emit(4_390_000, "frame_rendered", frame_id=100, **bad)
    facts = timeline(log, max_points=20)
    assert len(facts["frame_t"]) <= 20
    assert facts["frame_delay"][-1] == 390.0
    assert facts["frame_ssim"][-1] == 10.0


def test_empty_log_has_an_empty_timeline() -> None:
    assert all(len(points) == 0 for points in timeline(SessionLog()).values())


def test_distribution_counts_frames_that_were_never_shown() -> None:
    assert cdf([100.0, 200.0, float("inf"), 150.0]) == ([100.0, 150.0, 200.0], [25.0, 50.0, 75.0])
    assert len(cdf([float(k) for k in range(10_000)])[0]) == 201
