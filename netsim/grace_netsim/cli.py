"""The `grace-rtc` command. Each component brings a typer app; heavy imports stay inside the commands."""

from __future__ import annotations

import typer

from grace_netsim.clip_cli import app as clip_app
from grace_netsim.doctor_cli import doctor

app = typer.Typer(
    name="grace-rtc", no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)
app.command()(doctor)
app.add_typer(clip_app, name="clip")


@app.callback()
def root() -> None:
    """Real-time WebRTC video around GRACE, the loss-resilient neural video codec."""


def main() -> None:
    app()
