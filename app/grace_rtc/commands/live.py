"""`grace-rtc send` and `grace-rtc receive`: settings, logs and status lines. All work is done elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from grace_rtc.console import complain, errors_in_one_line, live_log

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings: fps = 15 and so on.")]
Token = Annotated[str | None, typer.Option(help="Shared secret; better in GRACE_TOKEN, where others cannot see it.")]
IceServers = Annotated[list[str] | None, typer.Option("--ice-server", help="stun: or turn: URL; repeatable.")]
JsonLog = Annotated[Path | None, typer.Option("--json", help="Log of everything that happens, as JSON lines.")]
Stats = Annotated[float | None, typer.Option(help="Seconds between status lines; 0: none. Default: 1.")]
EventLoop = Annotated[str | None, typer.Option(help="auto, asyncio or uvloop.")]
Bitrate = Annotated[str | None, typer.Option(help="Such as 300k or 1.5M.")]


def send(
    input_: Annotated[
        str | None, typer.Option("--input", help="FILE, webcam, webcam:N, test, or builtin:NAME.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Where the receiver listens: http://HOST:PORT.")] = None,
    scheme: Annotated[str | None, typer.Option(help="grace-lite (default), grace-p, grace-d, stub; vp8, h264.")] = None,
    size: Annotated[str | None, typer.Option(help="Scale to WIDTHxHEIGHT.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second; default: the source's.")] = None,
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
    """Send video to a receiver, for ever or until the file ends; the call comes back by itself when it is lost.

    Settings come from flags, then GRACE_SEND_NAME in the environment, then the file of --config.
    Exit status: 0 done, 2 wrong settings or input, 3 refused or given up, 4 the source broke."""
    flags = {
        "input": input_, "to": to, "scheme": scheme, "size": size, "fps": fps, "loop": loop, "seconds": seconds,
        "adapt": adapt, "cc": cc, "start_bitrate": start_bitrate, "min_bitrate": min_bitrate,
        "max_bitrate": max_bitrate, "token": token, "session": session, "ice_servers": ice_servers or None,
        "give_up": give_up, "json_log": json_log, "stats": stats, "event_loop": event_loop, "seed": seed,
    }  # fmt: skip
    with _live_errors():
        from grace_lab.log.schema import SENDER
        from grace_rtc.narrator import Narrator
        from grace_sender.app.config import SendConfig
        from grace_sender.app.send import run_send
        from grace_transport.runtime.process import run
        from grace_transport.runtime.settings import load_settings

        settings = load_settings(SendConfig, flags, config)
        facts: Mapping[str, int | float | str | bool] = {
            "scheme": settings.scheme, "video": settings.input, "cc": settings.cc, "seed": settings.seed,
        }  # fmt: skip
        with live_log(settings.json_log) as log:
            narrator = Narrator(SENDER, log, settings.stats > 0)
            with narrator.process(facts):
                status = run(run_send(settings, narrator.observe), settings.event_loop)
                narrator.ended_with(status.name.lower().replace("_", " "))
    raise typer.Exit(int(status))


def receive(
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to take calls at.")] = None,
    scheme: Annotated[
        str | None, typer.Option(help="What to decode: grace-lite (default), …, stub; vp8, h264.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Write what was shown, at its real times: OUT.mp4.")] = None,
    record_frames: Annotated[Path | None, typer.Option(help="Write it without loss: raw I420.")] = None,
    show: Annotated[bool | None, typer.Option("--show", help="In a window; Escape ends.")] = None,
    token: Token = None,
    no_token: Annotated[bool | None, typer.Option("--no-token", help="Let everyone who reaches it call.")] = None,
    ice_servers: IceServers = None,
    seconds: Annotated[float | None, typer.Option(help="End after so long.")] = None,
    once: Annotated[bool | None, typer.Option("--once", help="End with the first call.")] = None,
    json_log: JsonLog = None,
    stats: Stats = None,
    event_loop: EventLoop = None,
    config: ConfigFile = None,
) -> None:
    """Take calls, one at a time; show and record them. A call that was lost comes back by itself.

    Settings come from flags, then GRACE_RECEIVE_NAME in the environment, then the file of --config.
    Exit status: 0 done, 2 wrong settings, or nothing could be opened."""
    flags = {
        "listen": listen, "scheme": scheme, "record": record, "record_frames": record_frames, "show": show,
        "token": token, "no_token": no_token, "ice_servers": ice_servers or None, "seconds": seconds, "once": once,
        "json_log": json_log, "stats": stats, "event_loop": event_loop,
    }  # fmt: skip
    with _live_errors():
        from grace_lab.log.schema import RECEIVER
        from grace_receiver.app.config import ReceiveConfig
        from grace_receiver.app.receive import run_receive
        from grace_rtc.narrator import Narrator
        from grace_transport.runtime.process import run
        from grace_transport.runtime.settings import load_settings

        settings = load_settings(ReceiveConfig, flags, config)
        with live_log(settings.json_log) as log:
            narrator = Narrator(RECEIVER, log, settings.stats > 0)
            with narrator.process({"scheme": settings.scheme}):
                status = run(run_receive(settings, narrator.observe), settings.event_loop)
                narrator.ended_with(status.name.lower())
    raise typer.Exit(int(status))


def register(app: typer.Typer) -> None:
    """Add both commands to `grace-rtc`."""
    app.command()(send)
    app.command()(receive)


@contextmanager
def _live_errors() -> Iterator[None]:
    """As `errors_in_one_line`, for the extra `rtc` and the errors of the live parts."""
    with errors_in_one_line():
        try:
            yield
        except ImportError as error:
            complain(f"{error.name or error} is missing; pip install 'grace-rtc[rtc,codec]'")
            raise typer.Exit(2) from error
        except _live_failures() as error:
            complain(str(error))
            raise typer.Exit(2) from error


def _live_failures() -> tuple[type[Exception], ...]:
    from grace_receiver.errors import ReceiverError
    from grace_transport.errors import TransportError

    return (TransportError, ReceiverError)
