"""Options that several commands share: their types, limits and help, and what their texts mean.

Texts are parsed inside a command's `errors_in_one_line`, so that a wrong one is a single line, as every other mistake.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CLIPS = "builtin:talk, builtin:pan or builtin:detail"
TRACES = "lte-1 … lte-8, fcc-1 … fcc-8"

Video = Annotated[str, typer.Argument(help=f"A video file, - (a pipe: Y4M, or raw frames), or {CLIPS}.")]
Size = Annotated[str | None, typer.Option(help="Scale to exactly WIDTHxHEIGHT, both even; of raw frames: their size.")]
PixFmt = Annotated[str | None, typer.Option(help="The file holds raw frames of this format, such as yuv420p.")]
Fps = Annotated[float | None, typer.Option(min=0.1, max=240, help="Frames per second; default: the video's.")]
FixedFps = Annotated[float, typer.Option(min=1, max=120, help="Frames per second.")]
Seconds = Annotated[float | None, typer.Option(min=0.04, max=86_400, help="Use this much of the video.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Equal seeds give equal results.")]
OwdMs = Annotated[float, typer.Option(min=0, max=5000, help="One-way delay of the network.")]
Controller = Annotated[str, typer.Option("--cc", help="Congestion controller: gcc, salsify, fixed, MODULE:NAME, …")]
Controllers = Annotated[
    list[str] | None, typer.Option("--cc", help="As elsewhere; repeatable, to compare. Default: gcc.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Profile = Annotated[str, typer.Option("--profile", help="A model: `grace-rtc models list`.")]
Backend = Annotated[str | None, typer.Option(help="openvino or torch; default: the best there is.")]

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings: fps = 15 and so on.")]
Token = Annotated[str | None, typer.Option(help="Shared secret; better in GRACE_TOKEN, where others cannot see it.")]
NoToken = Annotated[bool | None, typer.Option("--no-token", help="Let everyone who reaches it call.")]
IceServers = Annotated[
    list[str] | None, typer.Option("--ice-server", help="stun:HOST:PORT, turn:USER:PASSWORD@HOST:PORT.")
]
JsonLog = Annotated[Path | None, typer.Option("--json", help="Log everything that happens as JSON lines; - prints it.")]
Stats = Annotated[float | None, typer.Option(help="Seconds between status lines; 0: none. Default: 1.")]
EventLoop = Annotated[str | None, typer.Option(help="auto, asyncio or uvloop.")]
Bitrate = Annotated[str | None, typer.Option(help="Such as 300k or 1.5M.")]


def width_and_height(text: str | None) -> tuple[int, int] | None:
    """`640x360` as numbers, None for None. Raises ValueError for anything else."""
    from grace_codec.media import parse_size

    return parse_size(text)


def bitrate_bps(text: str) -> int:
    """`300k`, `1.5M` or 1500000 in bit/s, from 20 kbit/s to 100 Mbit/s. Raises ValueError for anything else."""
    from grace_sender.app.config import MAX_BITRATE_BPS, MIN_BITRATE_BPS, parse_bitrate

    value = parse_bitrate(text)
    if not MIN_BITRATE_BPS <= value <= MAX_BITRATE_BPS:
        raise ValueError(f"bitrate {text!r}: give {MIN_BITRATE_BPS // 1000}k to {MAX_BITRATE_BPS // 1_000_000}M")
    return value


def bitrates_bps(text: str) -> tuple[int, ...]:
    """Several of them, comma separated. Raises ValueError."""
    return tuple(bitrate_bps(word) for word in words(text))


def numbers(text: str) -> tuple[float, ...]:
    """Numbers, comma separated. Raises ValueError."""
    return tuple(float(word) for word in words(text))


def words(text: str) -> tuple[str, ...]:
    """The words of a comma separated list, without empty ones."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
