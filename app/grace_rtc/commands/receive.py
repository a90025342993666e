"""`grace-rtc receive`: settings, log and status line of a receiving process. `grace_receiver.app` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grace_rtc.console import errors_in_one_line, process_log
from grace_rtc.options import ConfigFile, EventLoop, IceServers, JsonLog, NoToken, Stats, Token


def receive(
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to take calls at.")] = None,
    scheme: Annotated[
        str | None, typer.Option(help="What to decode: grace-lite (default), …, stub; vp8, h264.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Write what was shown, at its real times: OUT.mp4.")] = None,
    record_frames: Annotated[Path | None, typer.Option(help="Write it without loss: raw I420.")] = None,
    show: Annotated[bool | None, typer.Option("--show", help="In a window; Escape ends.")] = None,
    token: Token = None,
    no_token: NoToken = None,
    ice_servers: IceServers = None,
    seconds: Annotated[float | None, typer.Option(help="End after so long.")] = None,
    once: Annotated[bool | None, typer.Option("--once", help="End with the first call.")] = None,
    json_log: JsonLog = None,
    stats: Stats = None,
    event_loop: EventLoop = None,
    config: ConfigFile = None,
) -> None:
    """Take calls, one at a time, and show or record them. A lost call is taken again.

    Settings come from flags, then GRACE_RECEIVE_NAME in the environment, then the file of --config.
    Exit status: 0 done, 2 wrong settings, or nothing could be opened."""
    flags = {
        "listen": listen, "scheme": scheme, "record": record, "record_frames": record_frames, "show": show,
        "token": token, "no_token": no_token, "ice_servers": ice_servers or None, "seconds": seconds, "once": once,
        "json_log": json_log, "stats": stats, "event_loop": event_loop,
    }  # fmt: skip
    with errors_in_one_line("rtc,codec"):
        from grace_lab.log.schema import RECEIVER
        from grace_receiver.app.config import ReceiveConfig
        from grace_receiver.app.receive import run_receive
        from grace_rtc.observer import ConsoleObserver
        from grace_transport.runtime.process import run
        from grace_transport.runtime.settings import load_settings

        settings = load_settings(ReceiveConfig, flags, config)
        with process_log(settings.json_log) as log:
            observer = ConsoleObserver(RECEIVER, log, settings.stats > 0)
            with observer.process({"scheme": settings.scheme}):
                status = run(run_receive(settings, observer.observe), settings.event_loop)
                observer.ended_with(status.name.lower())
    raise typer.Exit(int(status))
