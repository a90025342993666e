import json

import pytest
from typer.testing import CliRunner

from grace_rtc import doctor
from grace_rtc.cli import app


def test_every_missing_thing_comes_with_advice() -> None:
    for finding in doctor.examine():
        if finding.status != "ok" and finding.area != "cpu":
            assert finding.advice, finding


def test_missing_extra_names_the_modules_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"codec": ("no_such_module",)})
    [finding] = doctor._extras()
    assert (finding.status, finding.advice) == ("missing", "pip install 'grace-rtc[codec]'")
    assert "no_such_module" in finding.detail


def test_module_without_a_distribution_of_its_name_is_no_crash() -> None:
    assert doctor._version("no_such_module") == "version unknown"
    assert doctor._version("_pytest") == pytest.__version__


def test_json_is_a_list_of_findings() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0
    findings = json.loads(result.stdout)
    assert {"area", "what", "status", "detail", "advice"} == set(findings[0])


def test_table_keeps_the_brackets_of_extras() -> None:
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert "doctor" in result.stdout
