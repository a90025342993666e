"""`grace-rtc netsim`: the emulated network of a live call as a process. `grace_netsim.relay` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grace_rtc.console import errors_in_one_line, process_log
from grace_rtc.options import ConfigFile, EventLoop, JsonLog, NoToken, Token


def netsim(
    forward: Annotated[str | None, typer.Option(help="The receiver; default: http://127.0.0.1:8081.")] = None,
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT for the sender; port 0 takes a free one. Default: 127.0.0.1:8080.")
    ] = None,
    trace_up: Annotated[
        str | None, typer.Option(help="Sender to receiver: trace file, or lte-1 … lte-8, fcc-1 … fcc-8.")
    ] = None,
    trace_down: Annotated[str | None, typer.Option(help="Receiver to sender; default: no bottleneck.")] = None,
    service: Annotated[
        str | None, typer.Option(help="How the bottleneck serves: token-bucket (default) or mahimahi.")
    ] = None,
    owd_ms: Annotated[float | None, typer.Option(help="One-way delay; default: 100.")] = None,
    feedback_owd_ms: Annotated[float | None, typer.Option(help="Of the way down; default: --owd-ms.")] = None,
    queue_packets: Annotated[int | None, typer.Option(help="Drop-tail queue of a bottleneck; default: 25.")] = None,
    loss: Annotated[float | None, typer.Option(help="Random loss on the way up, 0 to 1.")] = None,
    burst_packets: Annotated[
        float | None, typer.Option(help="Mean length of a burst of loss (Gilbert–Elliott); default: 1, independent.")
    ] = None,
    loss_file: Annotated[Path | None, typer.Option(help="Recorded loss on the way up.")] = None,
    feedback_loss: Annotated[float | None, typer.Option(help="Random loss on the way down, 0 to 1.")] = None,
    jitter_ms: Annotated[float | None, typer.Option(help="Jitter on the way up; nothing overtakes.")] = None,
    outage: Annotated[
        list[str] | None, typer.Option(metavar="AT:SECONDS", help="Both ways down for so long; repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random; default: 1.")] = None,
    start_on_call: Annotated[
        bool | None, typer.Option(help="Traces begin with the first media packet (default), or with the process.")
    ] = None,
    max_calls: Annotated[int | None, typer.Option(help="At the same time; default: 16.")] = None,
    idle_s: Annotated[float | None, typer.Option(help="A call silent for so long is over; default: 60.")] = None,
    token: Token = None,
    no_token: NoToken = None,
    json_log: JsonLog = None,
    event_loop: EventLoop = None,
    config: ConfigFile = None,
) -> None:
    """Put an emulated network between a sender and a receiver: signalling and all media go through this process.

    Settings come from flags, then GRACE_NETSIM_NAME in the environment, then the file of --config."""
    flags = {
        "forward": forward, "listen": listen, "trace_up": trace_up, "trace_down": trace_down, "service": service,
        "owd_ms": owd_ms, "feedback_owd_ms": feedback_owd_ms, "queue_packets": queue_packets, "loss": loss,
        "burst_packets": burst_packets, "loss_file": loss_file, "feedback_loss": feedback_loss,
        "jitter_ms": jitter_ms, "outage": outage or None, "seed": seed, "start_on_call": start_on_call,
        "max_calls": max_calls, "idle_s": idle_s, "token": token, "no_token": no_token, "json_log": json_log,
        "event_loop": event_loop,
    }  # fmt: skip
    with errors_in_one_line("rtc"):
        from grace_netsim.relay.config import RelayConfig
        from grace_netsim.relay.process import run_netsim
        from grace_transport.runtime.settings import load_settings

        settings = load_settings(RelayConfig, flags, config)
        for direction in (settings.uplink, settings.downlink):
            direction()  # what is wrong with a trace shows before a log is begun
        with process_log(settings.json_log) as log:
            run_netsim(settings, log, on_ready=typer.echo)
