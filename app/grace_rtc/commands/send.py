"""`grace-rtc send`: settings, log and status line of a sending process. `grace_sender.app` does the work."""

from __future__ import annotations

from typing import Annotated

import typer

from grace_rtc.console import errors_in_one_line, process_log
from grace_rtc.options import Bitrate, ConfigFile, EventLoop, IceServers, JsonLog, PixFmt, Stats, Token


def send(
    input_: Annotated[
        str | None, typer.Option("--input", help="FILE, - (a pipe), webcam, webcam:N, test, or builtin:NAME.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Where the receiver listens: http://HOST:PORT.")] = None,
    scheme: Annotated[str | None, typer.Option(help="grace-lite (default), grace-p, grace-d, stub; vp8, h264.")] = None,
    size: Annotated[str | None, typer.Option(help="Scale to exactly WIDTHxHEIGHT; of raw frames: their size.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second; default: the source's.")] = None,
    pix_fmt: PixFmt = None,
    loop: Annotated[bool | None, typer.Option("--loop/--once", help="Play a file for ever, or once (default).")] = None,
    seconds: Annotated[float | None, typer.Option(help="End so long after the first connection.")] = None,
    adapt: Annotated[bool | None, typer.Option(help="Follow what this machine can do (default), or not.")] = None,
    cc: Annotated[str | None, typer.Option(help="Congestion controller: gcc (default), salsify, fixed, …")] = None,
    start_bitrate: Bitrate = None,
    min_bitrate: Bitrate = None,
    max_bitrate: Bitrate = None,
    token: Token = None,
    session: Annotated[str | None, typer.Option(help="Name of the call; default: random.")] = None,
    ice_servers: IceServers = None,
    give_up: Annotated[float | None, typer.Option(help="End after so many seconds without a call.")] = None,
    json_log: JsonLog = None,
    stats: Stats = None,
    event_loop: EventLoop = None,
    seed: Annotated[int | None, typer.Option(help="For the log.")] = None,
    config: ConfigFile = None,
) -> None:
    """Send video to a receiver, for ever or until the file ends. A lost call is placed again.

    Settings come from flags, then GRACE_SEND_NAME in the environment, then the file of --config.
    Exit status: 0 done, 2 wrong settings or input, 3 refused or given up, 4 the source broke."""
    flags = {
        "input": input_, "to": to, "scheme": scheme, "size": size, "fps": fps, "pix_fmt": pix_fmt, "loop": loop,
        "seconds": seconds, "adapt": adapt, "cc": cc, "start_bitrate": start_bitrate, "min_bitrate": min_bitrate,
        "max_bitrate": max_bitrate, "token": token, "session": session, "ice_servers": ice_servers or None,
        "give_up": give_up, "json_log": json_log, "stats": stats, "event_loop": event_loop, "seed": seed,
    }  # fmt: skip
    with errors_in_one_line("rtc,codec"):
        from grace_lab.log.schema import SENDER
        from grace_rtc.observer import ConsoleObserver
        from grace_sender.app.config import SendConfig
        from grace_sender.app.send import run_send
        from grace_transport.runtime.process import run
        from grace_transport.runtime.settings import load_settings

        settings = load_settings(SendConfig, flags, config)
        facts: dict[str, str | int] = {
            "scheme": settings.scheme,
            "video": settings.input,
            "cc": settings.cc,
            "seed": settings.seed,
        }
        with process_log(settings.json_log) as log:
            observer = ConsoleObserver(SENDER, log, settings.stats > 0)
            with observer.process(facts):
                status = run(run_send(settings, observer.observe), settings.event_loop)
                observer.ended_with(status.name.lower().replace("_", " "))
    raise typer.Exit(int(status))
