"""The `grace-rtc` command: all its commands are in `commands`, which import what is heavy only when they run."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from grace_rtc.commands.bench import app as bench_app
from grace_rtc.commands.clip import app as clip_app
from grace_rtc.commands.codec import app as codec_app
from grace_rtc.commands.demo import demo
from grace_rtc.commands.doctor import doctor
from grace_rtc.commands.lab import app as lab_app
from grace_rtc.commands.models import app as models_app
from grace_rtc.commands.netsim import netsim
from grace_rtc.commands.receive import receive
from grace_rtc.commands.send import send
from grace_rtc.commands.trace import app as trace_app

app = typer.Typer(name="grace-rtc", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(doctor)
app.command()(demo)
app.command()(send)
app.command()(receive)
app.command()(netsim)
app.add_typer(clip_app, name="clip")
app.add_typer(codec_app, name="codec")
app.add_typer(models_app, name="models")
app.add_typer(trace_app, name="trace")
app.add_typer(bench_app, name="bench")
app.add_typer(lab_app, name="lab")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"grace-rtc {version('grace-rtc')}")
        raise typer.Exit()


@app.callback()
def root(
    version_: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Real-time WebRTC video around GRACE, the loss-resilient neural video codec."""


def main() -> None:
    """The entry point of the command."""
    app()
