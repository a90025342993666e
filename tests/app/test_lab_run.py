"""Laws of `grace-rtc lab run`: rows, logs, and what it says to bad input."""

import json
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grace_lab.log.file import read_log
from grace_lab.matrix import CallRequest, call_matrix, check_requests, run_all, run_call
from grace_rtc.cli import app
from grace_rtc.commands import lab as lab_command

ROW = [
    "scheme", "video", "trace", "owd_ms", "queue_packets", "cc", "seed", "ssim_db", "psnr_db", "p50_delay_ms",
    "p98_delay_ms", "non_rendered_ratio", "stalls_per_s", "stall_ratio", "bitrate_bps", "wall_s",
]  # fmt: skip
LIKE = CallRequest(scheme="stub", video="builtin:talk", trace="lte-1", size=(64, 64), seconds=2)


def lab_run(*options: str) -> Result:
    return CliRunner().invoke(app, ["lab", "run", *options])


def test_matrix_has_every_cell_and_keeps_a_videos_calls_together() -> None:
    both = call_matrix(["stub"], ["v"], ["1"], LIKE, ["gcc", "salsify"])
    assert [(cell.cc, cell.name) for cell in both] == [("gcc", "stub_v_1_gcc_1"), ("salsify", "stub_v_1_salsify_1")]
    cells = call_matrix(["a", "b"], ["v", "w"], ["1", "2"], LIKE)
    assert [(cell.video, cell.scheme, cell.trace) for cell in cells] == [
        ("v", "a", "1"), ("v", "a", "2"), ("v", "b", "1"), ("v", "b", "2"),
        ("w", "a", "1"), ("w", "a", "2"), ("w", "b", "1"), ("w", "b", "2"),
    ]  # fmt: skip
    assert {cell.size for cell in cells} == {(64, 64)}


def test_row_starts_with_the_documented_names_and_its_log_is_there(tmp_path: Path) -> None:
    row = run_call(LIKE, tmp_path)
    assert list(row)[: len(ROW)] == ROW
    assert row["loss_control"] == "tolerant"
    log = read_log(tmp_path / str(row["log"]))
    assert next(log.named("session_started")).facts["trace"] == "lte-1"


def test_same_request_gives_the_same_log_bytes(tmp_path: Path) -> None:
    logs = [(tmp_path / name / str(run_call(LIKE, tmp_path / name)["log"])).read_bytes() for name in ("a", "b")]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_mahimahi_service_and_token_bucket_carry_about_the_same(tmp_path: Path) -> None:
    rates = [
        run_call(CallRequest(scheme="stub", video="builtin:talk", trace="fcc-1", size=(64, 64), seconds=5, service=s))
        for s in ("token-bucket", "mahimahi")
    ]
    bucket, opportunities = (float(row["bitrate_bps"] or 0) for row in rates)
    assert 0.7 < bucket / opportunities < 1.4


@pytest.mark.slow
def test_command_writes_results_logs_and_json(tmp_path: Path) -> None:
    result = lab_run(
        "--scheme", "stub", "--video", "builtin:talk", "--size", "64x64", "--seconds", "1", "--trace", "lte-1",
        "--trace", "fcc-1", "--jobs", "2", "--out", str(tmp_path / "run"), "--json", str(tmp_path / "rows.json"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [row["trace"] for row in rows] == ["lte-1", "fcc-1"]
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 2
    assert len(list((tmp_path / "run" / "logs").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheme", "h266"), "no scheme is called h266"),
        (("--video", "no-such.mp4"), "no-such.mp4: no such file"),
        (("--trace", "no-such"), "no-such: no such file and no shipped trace"),
        (("--size", "640"), "not WIDTHxHEIGHT"),
        (("--size", "63x64"), "both sides must be even"),
        (("--cc", "cubic"), "no congestion controller is called 'cubic'"),
        (("--cc", "os:system"), "os:system makes no congestion controller"),
        (("--seed", "9" * 30), "--seed"),
        (("--start-kbps", "9000", "--max-kbps", "1000"), "above the highest"),
        (("--trace", "lte-1"), "name each scheme, video, trace and controller once"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(options: tuple[str, ...], message: str) -> None:
    defaults = {"--scheme": "stub", "--video": "builtin:talk", "--trace": "lte-1", "--size": "64x64"}
    given = [
        part for name, value in defaults.items() if name not in options or name == "--trace" for part in (name, value)
    ]
    result = lab_run(*given, *options)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output


def test_broken_files_are_named(tmp_path: Path) -> None:
    for name, content in (("zeros.mahi", "0\n0\n"), ("letters.mahi", "1\nabc\n"), ("empty.mahi", "")):
        (tmp_path / name).write_text(content)
        result = lab_run("--scheme", "stub", "--video", "builtin:talk", "--trace", str(tmp_path / name))
        assert result.exit_code == 2
        assert name in result.stderr
    (tmp_path / "empty.mp4").touch()
    result = lab_run("--scheme", "stub", "--video", str(tmp_path / "empty.mp4"), "--trace", "lte-1")
    assert result.exit_code == 2
    assert "0 bytes" in result.stderr


@pytest.mark.parametrize("options", [("--fps", "0"), ("--loss", "1.5"), ("--queue-packets", "0"), ("--owd-ms", "-1")])
def test_absurd_numbers_are_refused(options: tuple[str, str]) -> None:
    assert lab_run("--scheme", "stub", "--video", "builtin:talk", "--trace", "lte-1", *options).exit_code == 2


def test_two_equal_calls_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the same, or their logs would be \(stub_builtin-talk_lte-1_gcc_1.jsonl\)"):
        check_requests([LIKE, LIKE])


@pytest.mark.parametrize("options", [("--out", "{file}"), ("--json", "{folder}"), ("--json", "{file}/rows.json")])
def test_places_that_cannot_be_written_are_told_before_the_calls(options: tuple[str, str], tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    name, place = options[0], options[1].format(file=file, folder=folder)
    where = () if name == "--out" else ("--out", str(tmp_path / "run"))
    result = lab_run("--scheme", "stub", "--video", "builtin:talk", "--trace", "lte-1", *where, name, place)
    assert result.exit_code == 2
    assert "cannot write there" in result.stderr.replace("\n", " ")
    assert not (tmp_path / "run" / "results.json").exists()


def test_row_has_the_loss_that_was_asked_for() -> None:
    assert run_call(replace(LIKE, loss=0.125, seconds=0.2))["loss"] == 0.125


def test_command_and_library_have_the_same_defaults() -> None:
    given = {name: parameter.default for name, parameter in signature(lab_command.run).parameters.items()}
    like = CallRequest(scheme="", video="", trace="")
    assert (like.start_bps, like.max_bps) == (given["start_kbps"] * 1000, given["max_kbps"] * 1000)
    for name in ("owd_ms", "queue_packets", "fps", "seed", "size", "seconds", "service", "loss", "encode_ms"):
        assert getattr(like, name) == given[name], name


@pytest.mark.slow
def test_rows_of_finished_calls_survive_an_interruption(tmp_path: Path) -> None:
    requests = call_matrix(["stub"], ["builtin:talk"], ["lte-1", "fcc-1"], LIKE)
    (tmp_path / "logs").mkdir()
    rows = run_all(requests, tmp_path, jobs=1)
    first = next(rows)
    rows.close()
    assert json.loads((tmp_path / "results.json").read_text()) == [first]
