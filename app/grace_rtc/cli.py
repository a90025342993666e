"""The `grace-rtc` command. Each component brings a typer app; heavy imports stay inside the commands."""

from __future__ import annotations

import typer

from grace_rtc.commands.bench import app as bench_app
from grace_rtc.commands.clip import app as clip_app
from grace_rtc.commands.codec import app as codec_app
from grace_rtc.commands.codec import models_app
from grace_rtc.commands.demo import demo
from grace_rtc.commands.doctor import doctor
from grace_rtc.commands.lab import app as lab_app
from grace_rtc.commands.live import register as register_live
from grace_rtc.commands.netsim import register as register_netsim
from grace_rtc.commands.trace import app as trace_app

app = typer.Typer(name="grace-rtc", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(doctor)
app.command()(demo)
app.add_typer(clip_app, name="clip")
app.add_typer(codec_app, name="codec")
app.add_typer(models_app, name="models")
app.add_typer(trace_app, name="trace")
app.add_typer(bench_app, name="bench")
app.add_typer(lab_app, name="lab")
register_netsim(app)
register_live(app)


@app.callback()
def root() -> None:
    """Real-time WebRTC video around GRACE, the loss-resilient neural video codec."""


def main() -> None:
    app()
