"""`grace-rtc codec eval`: quality against rate and loss. `grace_codec.evaluation` does the work."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from grace_rtc.console import errors_in_one_line
from grace_rtc.options import Backend, Fps, Profile, Size, bitrates_bps, numbers, width_and_height, words

if TYPE_CHECKING:
    from grace_codec.evaluation.rate_distortion import Evaluation, Request
    from grace_codec.media import VideoClip


def evaluation(
    video: Annotated[list[str], typer.Option(help="Video files or built-in clips; repeat the option for several.")],
    out: Annotated[Path, typer.Option("--json", help="The file for the results.")],
    profile: Profile = "grace-lite",
    bitrate: Annotated[str, typer.Option(help="Targets, comma separated.")] = "500k,1500k,3000k,6000k",
    loss: Annotated[str, typer.Option(help="Shares of lost packets, comma separated.")] = "0",
    burst: Annotated[int, typer.Option(help="Frames per burst of losses.")] = 3,
    against: Annotated[str, typer.Option(help="Of h264, h265, vp8.")] = "",
    plot: Annotated[Path | None, typer.Option(help="A chart, .html or .png.")] = None,
    size: Size = "640x360",
    fps: Fps = 25.0,
    frames: Annotated[int | None, typer.Option(help="At most this many frames.")] = None,
    packet_overhead: Annotated[int, typer.Option(help="Bytes to count per packet on top (RTP, UDP, IP: 50-70).")] = 0,
    control: Annotated[
        str, typer.Option(help="budget: a fixed one per frame; level: one quality throughout.")
    ] = "budget",
    anchor: Annotated[str, typer.Option(help="How x264 and x265 hold their rate: crf or bitrate.")] = "crf",
    seed: Annotated[int, typer.Option(help="Which packets are lost.")] = 0,
    backend: Backend = None,
) -> None:
    """Measure quality against rate and loss through real packets, and against classical codecs at equal bytes."""
    with errors_in_one_line("codec"):
        from grace_codec.evaluation.chart import write_chart
        from grace_codec.grace.codec import GraceCodec

        if control not in ("budget", "level"):
            raise ValueError(f"--control {control}: give budget or level")
        request = _request(bitrate, loss, against, burst, seed, packet_overhead, anchor)
        GraceCodec.load(profile, backend)  # a missing model shows before any clip is read
        results: dict[str, Evaluation] = {}
        for source in video:
            name = Path(source).name
            with _clip(source, size, fps, frames) as clip:
                results[name] = _evaluated(clip, frames, name, request, control == "level", profile, backend)
            typer.echo(_line(name, results[name]))
        clips = {name: result.as_json() for name, result in results.items()}
        out.write_text(json.dumps({"profile": profile, "clips": clips}, indent=1) + "\n")
        if plot:
            write_chart(plot, results)


def _request(
    bitrate: str, loss: str, against: str, burst: int, seed: int, packet_overhead: int, anchor: str
) -> Request:
    from grace_codec.evaluation.rate_distortion import CLASSICAL, Request

    names = words(against)
    if unknown := set(names) - set(CLASSICAL):
        raise ValueError(f"unknown codec {', '.join(unknown)}; there are {', '.join(CLASSICAL)}")
    if anchor not in ("crf", "bitrate"):
        raise ValueError(f"--anchor {anchor}: give crf or bitrate")
    return Request(bitrates_bps(bitrate), numbers(loss), names, burst, seed, packet_overhead, anchor)


def _clip(video: str, size: str | None, fps: float | None, frames: int | None) -> VideoClip:
    from grace_codec.media import ClipOptions, open_clip

    seconds = None if frames is None or fps is None else (frames + 0.5) / fps
    return open_clip(video, ClipOptions(width_and_height(size), fps, duration_s=seconds))


def _evaluated(
    clip: VideoClip, frames: int | None, name: str, request: Request, levels: bool, profile: str, backend: str | None
) -> Evaluation:
    """The results of one clip, with what is being measured on the terminal. `levels`: sweep fixed rate levels."""
    from grace_codec.evaluation.rate_distortion import evaluate, evaluate_levels
    from grace_codec.grace.codec import GraceCodec

    def at_level(level: int) -> GraceCodec:
        codec = GraceCodec.load(profile, backend)
        codec.fix_level(level)
        return codec

    originals = list(islice(clip.play(), frames))
    with Console(stderr=True).status(name) as status:

        def note(text: str) -> None:
            status.update(f"{name}: {text}")

        if levels:
            return evaluate_levels(at_level, originals, clip.fps, request, note)
        return evaluate(lambda: GraceCodec.load(profile, backend), originals, clip.fps, request, note)


def _line(name: str, result: Evaluation) -> str:
    parts = []
    for run in result.runs:
        part = f"{run.point.kbps:.0f}k {run.point.ssim_db:.2f}dB"
        if run.loss:
            whole = f", {run.frames_lost} whole frames" if run.frames_lost else ""
            part = f"loss {run.loss:.0%} (really {run.lost_share:.0%}{whole}) -{run.ssim_drop_db:.2f}"
        parts.append(part)
    for other, comparison in result.against.items():
        gains = list(comparison.ssim_gain_db_at_equal_bytes)
        parts.append(f"{other}: BD {comparison.bd_rate_percent} % SSIM {gains}")
    return f"{name}: " + "; ".join(parts)
