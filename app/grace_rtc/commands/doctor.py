"""The `doctor` command: the findings as a table or as JSON."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grace_rtc.doctor import as_json, examine

MARKS = {"ok": "[green]ok[/]", "missing": "[yellow]missing[/]", "warning": "[red]look[/]"}


def doctor(as_json_text: bool = typer.Option(False, "--json", help="Print the findings as JSON.")) -> None:
    """Say what this machine can do, and what to do about what is missing."""
    findings = examine()
    if as_json_text:
        typer.echo(json.dumps(as_json(findings), indent=2))
        return
    table = Table("area", "what", "", "detail", "what to do", title="grace-rtc doctor")
    for finding in findings:
        table.add_row(finding.area, finding.what, MARKS[finding.status], escape(finding.detail), escape(finding.advice))
    Console().print(table)
