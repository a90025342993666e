"""`grace-rtc netsim`: the emulated network of a live call, as a process. Options, environment or a file."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click
import typer

from grace_netsim.console import errors_in_one_line


class Service(StrEnum):
    """How the bottleneck serves: the paper's token bucket, or mahimahi's delivery opportunities."""

    TOKEN_BUCKET = "token-bucket"
    MAHIMAHI = "mahimahi"


# Options are read from the environment too: GRACE_NETSIM_OWD_MS is --owd-ms.
CONTEXT = {"auto_envvar_prefix": "GRACE_NETSIM"}


def _from_file(context: typer.Context, path: Path | None) -> Path | None:
    """The file's values become the options' defaults; click checks them as it would those of the command line."""
    if path is None:
        return None
    with errors_in_one_line():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: no TOML ({error}); write lines like: owd_ms = 50") from error
        options = [option for option in context.command.params if isinstance(option, click.Option)]
        names = {
            text.lstrip("-"): str(option.name) for option in options for text in option.opts + option.secondary_opts
        }
        del names["config"]
        values = {name.replace("_", "-"): value for name, value in values.items()}
        if unknown := sorted(values.keys() - names.keys()):
            raise ValueError(f"{path}: there is no option {unknown[0]}; use {', '.join(sorted(names))}")
        values = {names[name]: value for name, value in values.items()}
        context.default_map = dict(context.default_map or {}) | values
    return path


def netsim(
    forward: Annotated[str, typer.Option(help="The receiver: http://HOST:PORT.")] = "http://127.0.0.1:8081",
    listen: Annotated[str, typer.Option(help="HOST:PORT for the sender; port 0 takes a free one.")] = "127.0.0.1:8080",
    trace_up: Annotated[str | None, typer.Option(help="Sender to receiver: a file, or lte-1 … fcc-8.")] = None,
    trace_down: Annotated[str | None, typer.Option(help="Receiver to sender; default: no bottleneck.")] = None,
    service: Annotated[Service, typer.Option(help="How the bottleneck serves.")] = Service.TOKEN_BUCKET,
    owd_ms: Annotated[float, typer.Option(min=0, max=5_000, help="One-way delay.")] = 100,
    feedback_owd_ms: Annotated[float | None, typer.Option(min=0, max=5_000, help="Default: --owd-ms.")] = None,
    queue_packets: Annotated[int, typer.Option(min=1, max=100_000, help="Drop-tail queue of a bottleneck.")] = 25,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Random loss on the way up.")] = 0,
    burst_packets: Annotated[float, typer.Option(min=1, max=1_000, help="Mean length of a burst of loss.")] = 1,
    loss_file: Annotated[Path | None, typer.Option(help="Recorded loss on the way up.")] = None,
    feedback_loss: Annotated[float, typer.Option(min=0, max=1, help="Random loss on the way down.")] = 0,
    jitter_ms: Annotated[float, typer.Option(min=0, max=1_000, help="Jitter on the way up; nothing overtakes.")] = 0,
    outage: Annotated[list[str] | None, typer.Option(help="AT:SECONDS, both ways down; repeatable.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32, help="Of everything random.")] = 1,
    start_on_call: Annotated[bool, typer.Option(help="Traces begin with the first media packet.")] = True,
    max_calls: Annotated[int, typer.Option(min=1, max=1_000, help="At the same time.")] = 16,
    idle_s: Annotated[float, typer.Option(min=1, max=86_400, help="A call as long silent is over.")] = 60,
    token: Annotated[str | None, typer.Option(envvar="GRACE_TOKEN", help="Shared secret of all processes.")] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Take calls of anyone, and know it.")] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Log of the call, as JSON lines.")] = None,
    uvloop: Annotated[bool, typer.Option("--uvloop", help="Run on uvloop instead of asyncio's own loop.")] = False,
    config: Annotated[
        Path | None, typer.Option(is_eager=True, callback=_from_file, help="A TOML file of these options.")
    ] = None,
) -> None:  # fmt: skip
    """Put an emulated network between a sender and a receiver: signalling and all media go through this process."""
    with errors_in_one_line():
        from grace_netsim.relay_config import RelayConfig, parse_outage
        from grace_netsim.relay_run import run
        from grace_transport.signalling import find_token

        found = find_token(token)
        run(
            RelayConfig.checked(
                forward=forward, listen=listen, trace_up=trace_up, trace_down=trace_down, service=service.value,
                owd_ms=owd_ms, feedback_owd_ms=feedback_owd_ms, queue_packets=queue_packets, loss=loss,
                burst_packets=burst_packets, loss_file=loss_file, feedback_loss=feedback_loss, jitter_ms=jitter_ms,
                outages=tuple(map(parse_outage, outage or ())), seed=seed, start_on_call=start_on_call,
                max_calls=max_calls, idle_s=idle_s, token=found, no_token=no_token,
            ),
            log_path=json_out,
            uvloop=uvloop,
            on_ready=typer.echo,
        )  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command(context_settings=CONTEXT)(netsim)
