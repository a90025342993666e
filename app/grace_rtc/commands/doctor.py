"""`grace-rtc doctor`: the findings as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grace_rtc.doctor import examine
from grace_rtc.options import Json

MARKS = {"ok": "[green]ok[/]", "missing": "[yellow]missing[/]", "warning": "[red]look[/]"}


def doctor(as_json: Json = False) -> None:
    """Say what this machine can do, and what to do about what is missing."""
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    table = Table("area", "what", "", "detail", "what to do", title="grace-rtc doctor")
    for finding in findings:
        table.add_row(finding.area, finding.what, MARKS[finding.status], escape(finding.detail), escape(finding.advice))
    Console().print(table)
