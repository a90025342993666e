"""`grace-rtc clip`: what a video is, before it is coded."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from grace_rtc.console import errors_in_one_line
from grace_rtc.options import Json, Video

app = typer.Typer(no_args_is_help=True, help="Look at video clips.")


@app.callback()
def clip() -> None:
    """Look at video clips."""


@app.command()
def info(
    video: Video,
    as_json: Json = False,
) -> None:
    """Size, frame rate, number of frames, and spatial and temporal information (ITU-T P.910) of a clip."""
    with errors_in_one_line():
        from grace_codec.evaluation.quality import complexity
        from grace_codec.media import open_clip

        with open_clip(video) as source:
            measured = asdict(complexity(frame.y for frame in source.play()))
            facts = {"width": source.width, "height": source.height, "fps": source.fps, "frames": source.count()}
    rounded = {name: round(value, 1) for name, value in measured.items()}
    if as_json:
        typer.echo(json.dumps({"video": video} | facts | rounded))
        return
    seconds = facts["frames"] / facts["fps"]
    typer.echo("{width}x{height}, {fps:.3f} fps, {frames} frames, {:.2f} s".format(seconds, **facts))
    typer.echo("SI {si} (mean {mean_si}), TI {ti} (mean {mean_ti})".format(**rounded))
