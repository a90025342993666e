"""`grace-rtc clip`: what a video is, before it is coded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import typer

from grace_rtc.console import errors_in_one_line
from grace_rtc.options import Fps, Json, PixFmt, Size, Video, width_and_height

if TYPE_CHECKING:
    from grace_codec.media import FrameReader, TimedPlanes, VideoFacts

NEARLY: Final = 0.02
"""Two rates that differ by less are one: containers round times to their clock."""

app = typer.Typer(no_args_is_help=True, help="Look at video clips.")


@app.callback()
def clip() -> None:
    """Look at video clips."""


@app.command()
def info(
    video: Video,
    as_json: Json = False,
    size: Size = None,
    fps: Fps = None,
    pix_fmt: PixFmt = None,
) -> None:
    """What a video is: size, rate, colour, orientation, streams, damage, spatial and temporal information (P.910)."""
    with errors_in_one_line():
        from grace_codec.evaluation.quality import complexity
        from grace_codec.media import ClipOptions, open_video

        with open_video(video, ClipOptions(width_and_height(size), fps, pix_fmt=pix_fmt)) as source:
            count = _Count()
            measured = asdict(complexity(frame.planes[0] for frame in count.through(source.frames())))
            report, facts = _report(source, count), source.facts
    rounded = {name: round(value, 1) for name, value in measured.items()}
    if as_json:
        stated = {} if facts is None else _as_json(facts)
        typer.echo(json.dumps({"video": video} | asdict(report) | stated | rounded))
        return
    for line in _lines(report, facts):
        typer.echo(line)
    typer.echo("SI {si} (mean {mean_si}), TI {ti} (mean {mean_ti})".format(**rounded))


class _Count:
    """Frames that went through, and when the last one is shown."""

    def __init__(self) -> None:
        self.frames = self.last_us = 0

    def through(self, frames: Iterable[TimedPlanes]) -> Iterator[TimedPlanes]:
        for frame in frames:
            self.frames, self.last_us = self.frames + 1, frame.at_us
            yield frame


@dataclass(frozen=True, slots=True)
class _Report:
    """Everything that can be said about a video that was read to its end. `fps`: what counts, by the frames' times."""

    width: int
    height: int
    fps: float
    frames: int
    seconds: float
    stated_fps: float
    peak_fps: float
    scaling: str
    damage: str


def _report(source: FrameReader, count: _Count) -> _Report:
    seconds = count.last_us / 1e6 + 1 / source.fps
    measured = count.frames / seconds
    return _Report(
        width=source.width,
        height=source.height,
        fps=source.fps if abs(measured / source.fps - 1) < NEARLY else measured,
        frames=count.frames,
        seconds=round(seconds, 3),
        stated_fps=round(source.rate.stated, 3),
        peak_fps=round(source.rate.peak, 3),
        scaling=source.scaling,
        damage=source.damage.text,
    )


def _as_json(facts: VideoFacts) -> dict[str, object]:
    said = {name: value for name, value in asdict(facts).items() if name != "rate"}
    return said | {"stored_size": said.pop("size")}


def _lines(report: _Report, facts: VideoFacts | None) -> Iterator[str]:
    size = f"{report.width}x{report.height}"
    yield f"{size}, {report.fps:.3f} fps, {report.frames} frames, {report.seconds:.2f} s"
    if facts is not None:
        yield f"{facts.container}: {', '.join(facts.streams)}"
        stored = f"{facts.size[0]}x{facts.size[1]} {facts.pix_fmt}"
        yield f"stored as {stored}, pixels {facts.aspect}, {facts.orientation}"
        tags = f"matrix {facts.matrix}, transfer {facts.transfer}, primaries {facts.primaries}"
        yield f"colour: {facts.range} range, {tags}"
    yield f"rate: stated {report.stated_fps:g}, at most {report.peak_fps:g} fps"
    yield from (text for text in (report.scaling, report.damage) if text)
