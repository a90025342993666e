"""The command says what is wrong and what to do, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from grace_rtc.commands.train import train

app = typer.Typer()
app.command()(train)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["polish"], "unknown stage"),
        (["pretrain", "--size", "100"], "multiple of 32"),
        (["joint"], "codec train pretrain"),
        (["pretrain"], "no .mp4 clips"),
    ],
)
def test_mistakes_are_named(arguments: list[str], words: str, tmp_path: Path) -> None:
    common = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "--accelerator", "cpu"]
    result = CliRunner().invoke(app, [*arguments, *common])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
