"""`grace-rtc models`: the models that ship with this package."""

from __future__ import annotations

import typer

from grace_rtc.console import WRONG_USE

app = typer.Typer(no_args_is_help=True, help="The models that ship with this package.")


@app.command("list")
def list_models() -> None:
    """Names, identity and what they are for."""
    from grace_codec import profiles
    from grace_codec.errors import ModelError

    for name, spec in profiles.PROFILES.items():
        try:
            state = f"model {profiles.read_weights(name).sha256[:8]}" if spec.trained else "not trained yet"
        except ModelError as error:
            state = str(error)
        typer.echo(f"{name:12s} {state:20s} {spec.about}")


@app.command()
def verify() -> None:
    """Check every shipped weights file against its SHA-256, and its entropy tables."""
    from grace_codec import profiles
    from grace_codec.entropy.tables import load
    from grace_codec.errors import ModelError
    from grace_codec.grace.codec import tables_path

    failed = False
    for name, spec in profiles.PROFILES.items():
        if not spec.trained:
            continue
        try:
            digest = profiles.read_weights(name).sha256
            checksum = load(tables_path(name)).checksum
            typer.echo(f"{name:12s} ok  weights sha256 {digest}  tables {checksum:08x}")
        except ModelError as error:
            failed = True
            typer.echo(f"{name:12s} {error}", err=True)
    if failed:
        raise typer.Exit(WRONG_USE)
