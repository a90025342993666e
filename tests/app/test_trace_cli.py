"""Laws of `grace-rtc trace`: what scripts can rely on, and how mistakes are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grace_netsim.trace.files import SHIPPED, find_trace, load_opportunities, load_rates
from grace_netsim.trace.formats import FORMATS, READERS
from grace_netsim.trace.generate import GENERATORS
from grace_rtc.commands.trace import Format, Kind, SourceFormat, app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The one line on standard error of a command that must fail."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("grace-rtc: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two seconds: 1.2 Mbit/s, then 2.4."""
    path = tmp_path / "two.mahi"
    path.write_text("".join(f"{at_ms}\n" for at_ms in [*range(10, 1_001, 10), *range(1_005, 2_001, 5)]))
    return path


def test_the_choices_on_the_command_line_are_the_tables() -> None:
    assert {form.value for form in Format} == set(FORMATS)
    assert {form.value for form in SourceFormat} == set(READERS)
    assert {kind.value for kind in Kind} == set(GENERATORS)


def test_info_as_json_has_the_figures(trace: Path) -> None:
    figures = json.loads(run("info", trace, "--json").stdout)[str(trace)]
    assert figures["seconds"] == 2.0
    assert figures["mean"] == pytest.approx(1.8048)
    assert figures["quantiles"][0] == pytest.approx(1.2032)


def test_info_pools_caps_and_compares(trace: Path) -> None:
    result = run("info", trace, "lte-1", "--pooled", "--cap", "2", "--against", "lte8")
    assert result.exit_code == 0
    assert "pooled" in result.stdout
    assert "published" in result.stdout


def test_plain_info_shows_outages_and_drops() -> None:
    shown = run("info", "lte-1").stdout
    assert "outages per minute" in shown
    assert "sustained drops per minute" in shown


def test_list_names_every_shipped_trace_and_set() -> None:
    listed = json.loads(run("list", "--json").stdout)
    assert [row["name"] for row in listed["shipped"]] == list(SHIPPED)
    assert all(row["seconds"] == 60 and Path(row["path"]).is_file() for row in listed["shipped"])
    assert listed["sets"] == {"mahimahi": 13, "fcc": 45, "lte8": 8, "fcc8": 8}
    assert "lte-8" in run("list").stdout


def test_crop_and_convert_round(trace: Path, tmp_path: Path) -> None:
    assert run("crop", trace, tmp_path / "end.mahi", "--start", 1, "--seconds", 0.5).exit_code == 0
    assert (tmp_path / "end.mahi").read_text().split() == [str(at_ms) for at_ms in range(5, 501, 5)]
    assert run("convert", trace, tmp_path / "two.csv").exit_code == 0
    assert (tmp_path / "two.csv").read_text().startswith("seconds,mbps\n0,1.2032\n0.1,1.2032\n")
    assert run("convert", tmp_path / "two.csv", tmp_path / "again.mahi").exit_code == 0
    assert (tmp_path / "again.mahi").read_text() == trace.read_text()
    assert run("convert", trace, tmp_path / "two.txt", "--to", "steps").exit_code == 0
    assert (tmp_path / "two.txt").read_text().splitlines()[:2] == ["0\t1.2032", "1\t2.4064"]


def test_crop_caps_and_runs_to_the_end(trace: Path, tmp_path: Path) -> None:
    assert run("crop", trace, tmp_path / "capped.mahi", "--start", 1, "--cap", 1.2032).exit_code == 0
    assert load_opportunities(str(tmp_path / "capped.mahi")).times_ms == (*range(5, 991, 10), 1_000)


def test_generate_writes_the_same_bytes_to_file_and_standard_output(tmp_path: Path) -> None:
    assert run("generate", "fcc", "--seed", 3, "--seconds", 5, "-o", tmp_path / "f.mahi").exit_code == 0
    assert run("generate", "fcc", "--seed", 3, "--seconds", 5).stdout == (tmp_path / "f.mahi").read_text()
    assert run("generate", "fcc", "--seconds", 5, "--to", "csv").stdout.startswith("seconds,mbps\n0,")


def test_plot_is_one_self_contained_page(trace: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    result = run("plot", trace, "fcc-1", "-o", tmp_path / "page.html")
    assert result.exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert "two.mahi" in page
    assert "fcc-1" in page
    assert '<script src="http' not in page


def test_plot_without_plotly_says_what_to_install(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert "pip install 'grace-rtc[lab]'" in refused("plot", trace)


def test_a_name_that_is_nothing_gets_a_hint(tmp_path: Path) -> None:
    assert "lte-9: no such file and no shipped trace; did you mean lte-" in refused("info", "lte-9")
    assert "shipped traces are lte-1 … fcc-8" in refused("info", "nonsense")
    assert "is a directory" in refused("info", tmp_path)
    assert "no such file" in refused("info", "x" * 5_000)


def test_a_bad_file_is_told_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "[red]bad.mahi"
    bad.write_text("1\n\n2\n")
    assert refused("info", bad) == f"grace-rtc: {bad}:2: empty line; remove it\n"
    assert f"{bad}:2" in refused("convert", bad, tmp_path / "x.csv")


def test_other_mistakes_are_one_line_too(trace: Path, tmp_path: Path) -> None:
    assert "the trace lasts 2 s" in refused("crop", trace, tmp_path / "x.mahi", "--start", 1, "--seconds", 2)
    assert "a trace of 2 s; start within it" in refused("crop", trace, tmp_path / "x.mahi", "--start", 2)
    assert "no published figures; use one of lte8, fcc8" in refused("info", trace, "--against", "lte9")
    assert "below one packet in 100 ms" not in refused("generate", "lte", "--seconds", 100_000)
    assert "cannot write" in refused("convert", trace, trace / "inside.csv")
    assert "no such set; fetch one of mahimahi" in refused("fetch", "wifi")
    assert not (tmp_path / "x.mahi").exists()


@pytest.mark.parametrize("option", ["--start", "--seconds", "--cap"])
def test_no_number_is_infinite(option: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["crop", "lte-1", str(tmp_path / "x.mahi"), option, "inf"])
    assert result.exit_code == 2
    assert option in result.stderr


def test_a_shipped_name_means_the_shipped_trace_unless_a_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_trace("lte-1").name == "lte-1.mahi"
    assert load_rates("lte-1").duration_us == 60_000_000
    monkeypatch.chdir(tmp_path)
    Path("lte-1").write_text("7\n")
    assert load_opportunities("lte-1").times_ms == (7,)


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "huge.mahi").open("wb") as file:
        file.truncate((32 << 20) + 1)
    assert "larger than 32 MiB; cut it first" in refused("info", tmp_path / "huge.mahi")
