"""`grace-rtc codec`: the codec on files. `grace_codec` does the work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace_rtc.commands.train import train
from grace_rtc.console import errors_in_one_line
from grace_rtc.options import (
    Backend,
    Fps,
    PixFmt,
    Profile,
    Seconds,
    Size,
    Video,
    bitrate_bps,
    bitrates_bps,
    numbers,
    width_and_height,
    words,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from grace_codec.evaluation.rate_distortion import Evaluation
    from grace_codec.media import FrameReader, VideoClip

app = typer.Typer(no_args_is_help=True, help="The GRACE codec on files: encode, decode, evaluate, fit, train.")
app.command()(train)


def _video(video: str, size: str | None, fps: float | None, seconds: float | None, pix_fmt: str | None) -> FrameReader:
    from grace_codec.media import ClipOptions, open_video

    return open_video(video, ClipOptions(width_and_height(size), fps, duration_s=seconds, pix_fmt=pix_fmt))


def _clip(video: str, size: str | None, fps: float | None, seconds: float | None) -> VideoClip:
    from grace_codec.media import ClipOptions, open_clip

    return open_clip(video, ClipOptions(width_and_height(size), fps, duration_s=seconds))


@app.command()
def encode(
    video: Video,
    out: Annotated[Path, typer.Argument(help="The .grc file to write.")],
    profile: Profile = "grace-lite",
    bitrate: Annotated[str | None, typer.Option(help="Target, such as 1500k.")] = None,
    level: Annotated[int | None, typer.Option(help="Fixed fine rate level instead, 0 (coarse) and up.")] = None,
    size: Size = None,
    fps: Fps = None,
    seconds: Seconds = None,
    pix_fmt: PixFmt = None,
    backend: Backend = None,
) -> None:
    """Code a video with GRACE into a .grc file of packets, however long it is. Its sound is kept as it is."""
    from grace_codec.files.coding import encode_frames, stream_info
    from grace_codec.files.container import StreamWriter
    from grace_codec.grace.codec import GraceCodec

    with errors_in_one_line("codec"):
        if (bitrate is None) == (level is None):
            raise ValueError("give either --bitrate or --level")
        codec = GraceCodec.load(profile, backend)
        rate = bitrate_bps(bitrate) if bitrate else None
        with _video(video, size, fps, seconds, pix_fmt) as source, StreamWriter(out, stream_info(codec, source)) as to:
            if source.scaling:
                typer.echo(source.scaling, err=True)
            length_us = None if source.length_s is None else source.length_s * 1e6
            count = total = packets = last_us = 0
            with _progress() as progress:
                bar = progress.add_task("encode", total=length_us)
                for timed in encode_frames(codec, source, rate, level):
                    to.add(timed.coded, timed.at_us)
                    count, last_us = count + 1, timed.at_us
                    total += sum(map(len, timed.coded.payloads))
                    packets += len(timed.coded.payloads)
                    progress.update(bar, completed=last_us)
                progress.update(bar, total=last_us + 1, completed=last_us + 1)
            sound = source.audio()
            if sound is not None:
                to.attach_sound(sound)
            if source.damage.text:
                typer.echo(f"{source.name}: {source.damage.text}", err=True)
            mean_s = last_us / 1e6 + 1 / source.fps
        typer.echo(f"{out}: {count} frames, {packets} packets, {total * 8 / mean_s / 1000:.0f} kbit/s")


def _progress() -> Progress:
    """On the standard error, so that the standard output may be a video."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True))


@app.command()
def decode(
    stream: Annotated[Path, typer.Argument(help="A .grc file.")],
    out: Annotated[Path, typer.Argument(help="OUT.mp4, OUT.mkv, OUT.y4m, OUT.yuv, or - for Y4M to a pipe.")],
    loss: Annotated[float, typer.Option(help="Share of packets that bursts lose, 0 to below 1.")] = 0.0,
    burst: Annotated[int, typer.Option(help="Frames per burst; one burst every 12 frames.")] = 3,
    seed: Annotated[int, typer.Option(help="Which packets are lost.")] = 0,
    start: Annotated[int, typer.Option(help="First frame to write; decoding starts at the key frame before it.")] = 0,
    backend: Backend = None,
) -> None:
    """Decode a .grc file, all of its packets or what simulated loss leaves of them, to a video with its sound."""
    from grace_codec.evaluation.loss_pattern import Bursts
    from grace_codec.files.coding import check_identity, decode_frames, sound_file
    from grace_codec.files.container import StreamReader
    from grace_codec.grace.codec import GraceCodec
    from grace_codec.media import VideoWriter

    with errors_in_one_line("codec"):
        reader = StreamReader(stream)
        info, times_us = reader.info, reader.times_us()
        codec = GraceCodec.load(info.profile, backend)
        check_identity(codec, info, stream)
        bursts = Bursts(loss, burst, every=max(12, burst + 4), seed=seed)
        frames = decode_frames(codec, reader, bursts, start)
        origin_us = times_us[start] if 0 <= start < len(times_us) else 0
        with (
            sound_file(reader) as sound,
            VideoWriter(out, info.width, info.height, info.fps, reader.even, sound, origin_us / 1e6) as writer,
            _progress() as progress,
        ):
            bar = progress.add_task("decode", total=len(reader) - start)
            for number, planes in enumerate(frames, start):
                writer.add(planes, times_us[number] - origin_us)
                progress.advance(bar)
        typer.echo(f"{out}: {len(reader) - start} frames, {info.width}x{info.height}", err=str(out) == "-")


@app.command("eval")
def evaluation(
    video: Annotated[list[str], typer.Option(help="Video files or built-in clips; repeat the option for several.")],
    out: Annotated[Path, typer.Option("--json", help="Where the figures go.")],
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
    from itertools import islice

    from rich.console import Console

    from grace_codec.evaluation.rate_distortion import CLASSICAL, Request, evaluate, evaluate_levels
    from grace_codec.grace.codec import GraceCodec

    console = Console(stderr=True)
    with errors_in_one_line("codec"):
        names = words(against)
        if unknown := set(names) - set(CLASSICAL):
            raise ValueError(f"unknown codec {', '.join(unknown)}; there are {', '.join(CLASSICAL)}")
        losses = numbers(loss)
        rates = bitrates_bps(bitrate)
        if anchor not in ("crf", "bitrate") or control not in ("budget", "level"):
            raise ValueError("anchors are crf or bitrate, controls budget or level")
        request = Request(rates, losses, names, burst, seed, packet_overhead, anchor)
        GraceCodec.load(profile, backend)

        def at_level(level: int) -> GraceCodec:
            codec = GraceCodec.load(profile, backend)
            codec.fix_level(level)
            return codec

        results: dict[str, Evaluation] = {}
        for source in video:
            seconds = None if frames is None or fps is None else (frames + 0.5) / fps
            with _clip(source, size, fps, seconds) as clip, console.status(source) as status:
                originals = list(islice(clip.play(), frames))
                note = lambda text, name=source, bar=status: bar.update(f"{name}: {text}")  # noqa: E731
                if control == "level":
                    result = evaluate_levels(at_level, originals, clip.fps, request, note)
                else:
                    result = evaluate(lambda: GraceCodec.load(profile, backend), originals, clip.fps, request, note)
            results[Path(source).name] = result
            typer.echo(_line(Path(source).name, result))
        clips = {name: result.as_json() for name, result in results.items()}
        out.write_text(json.dumps({"profile": profile, "clips": clips}, indent=1) + "\n")
        if plot:
            from grace_codec.evaluation.chart import write_chart

            write_chart(plot, results)


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


@app.command()
def tables(
    profile: Annotated[str, typer.Argument(help="The model whose entropy tables are to be fitted.")],
    clips: Annotated[list[Path], typer.Argument(help="Video files, or folders of them.")],
    out: Annotated[Path | None, typer.Option(help="Where the tables go; default: into the package.")] = None,
    size: Size = "640x360",
    most: Annotated[int, typer.Option(help="At most this many clips, spread over those given.")] = 80,
    backend: Backend = None,
) -> None:
    """Fit a profile's integer entropy tables to what its model makes of training clips."""
    from rich.progress import track

    from grace_codec import profiles
    from grace_codec.grace.codec import tables_path
    from grace_codec.training.collect import collect, short_clips
    from grace_codec.training.fit import fit

    with errors_in_one_line("codec"):
        model = profiles.load(profile, backend)
        files = sorted(f for path in clips for f in (path.rglob("*.mp4") if path.is_dir() else [path]))
        files = files[:: max(1, -(-len(files) // most))]
        found = list(collect(model, short_clips(list(track(files, "collect")), width_and_height(size))))
        if not found:
            raise ValueError("no usable clip of five frames or more among the files given")
        fine = model.profile.levels
        fitted = fit(found, model.profile.luma_frequencies, (fine - 1) // 8 + 1, fine)
        target = out or tables_path(profile)
        target.write_text(fitted.dumps() + "\n", encoding="utf-8")
        typer.echo(f"{target}: {len(found)} frames of {len(files)} clips, checksum {fitted.checksum:08x}")
