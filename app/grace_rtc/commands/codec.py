"""`grace-rtc codec`: the codec on files. `grace_codec` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace_rtc.commands.codec_eval import evaluation
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
    width_and_height,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from grace_codec.media import FrameReader

app = typer.Typer(no_args_is_help=True, help="The GRACE codec on files: encode, decode, evaluate, fit, train.")
app.command("eval")(evaluation)
app.command()(train)


def _video(video: str, size: str | None, fps: float | None, seconds: float | None, pix_fmt: str | None) -> FrameReader:
    from grace_codec.media import ClipOptions, open_video

    return open_video(video, ClipOptions(width_and_height(size), fps, duration_s=seconds, pix_fmt=pix_fmt))


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
        fine = model.profile.trained_levels
        fitted = fit(found, model.profile.luma_frequencies, (fine - 1) // 8 + 1, fine)
        target = out or tables_path(profile)
        target.write_text(fitted.dumps() + "\n", encoding="utf-8")
        typer.echo(f"{target}: {len(found)} frames of {len(files)} clips, checksum {fitted.checksum:08x}")
