"""`grace-rtc bench`: how fast the parts are on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from time import perf_counter, process_time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from grace_rtc.console import errors_in_one_line
from grace_rtc.options import TRACES, Controllers, Json, Seed, width_and_height

app = typer.Typer(no_args_is_help=True, help="Measure the speed of the parts on this machine.")


@app.callback()
def bench() -> None:
    """Measure the speed of the parts on this machine."""


@app.command()
def link(
    packets: Annotated[int, typer.Option(min=1_000, max=100_000_000, help="Per scenario.")] = 200_000,
    payload: Annotated[int, typer.Option(min=0, max=1_472, help="UDP payload, bytes.")] = 1_200,
    as_json: Json = False,
) -> None:
    """Packets per second of CPU time through the emulated link: receive, timer and drain for each packet."""
    from grace_rtc.bench.link import SCENARIOS, measure

    speeds = {name: measure(config, packets, payload, process_time) for name, config in SCENARIOS.items()}
    if as_json:
        typer.echo(json.dumps({name: asdict(speed) for name, speed in speeds.items()}))
        return
    table = Table("link", "packets/s", "of a bare loop", "delivered", "dropped", title=f"{packets} packets each")
    for name, speed in speeds.items():
        share = f"{100 * speed.per_bare_loop:.1f} %"
        table.add_row(name, f"{speed.packets_per_s:,.0f}", share, f"{speed.delivered:,}", f"{speed.dropped:,}")
    Console().print(table)


@app.command()
def call(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Simulated time.")] = 60,
    kbps: Annotated[int, typer.Option(min=100, max=100_000, help="Rate of the link.")] = 1500,
    as_json: Json = False,
) -> None:
    """CPU time that a whole simulated call takes with a codec that costs nothing."""
    from grace_rtc.bench.call import measure_call

    speed = measure_call(seconds, kbps * 1000, process_time)
    if as_json:
        typer.echo(json.dumps(asdict(speed)))
        return
    typer.echo(
        f"{speed.simulated_s:g} s of a {kbps} kbit/s call took {speed.took_s:.2f} s of CPU time: "
        f"{speed.times_real_time:g} times real time, {speed.packets} packets, {speed.events} log lines"
    )


@app.command()
def congestion(
    trace: Annotated[list[str] | None, typer.Option(help=f"Trace file, or {TRACES}; repeatable. Default: all.")] = None,
    cc: Controllers = None,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="Length of each call.")] = 30,
    seed: Seed = 1,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    as_json: Json = False,
) -> None:
    """Compare congestion controllers: calls without a codec over traces (100 ms one way, queue of 25 packets)."""
    with errors_in_one_line():
        from grace_rtc.bench.congestion import COLUMNS, compare

        means = compare(trace, cc, seconds, seed, jobs)
        if as_json:
            typer.echo(json.dumps(means))
            return
        table = Table("cc", *COLUMNS.values(), title=f"Means over the traces, {seconds:g} s each, seed {seed}")
        for name, row in means.items():
            table.add_row(name, *("–" if value is None else f"{value:.3g}" for value in row.values()))
        Console().print(table)


@app.command()
def codec(
    video: Annotated[str, typer.Option(help="Video file or built-in clip.")] = "builtin:talk",
    profile: Annotated[str, typer.Option(help="grace-lite, or one of its ablations.")] = "grace-lite",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT.")] = "640x360",
    frames: Annotated[int, typer.Option(min=3, max=10_000)] = 40,
    frame_bytes: Annotated[int, typer.Option(min=200, max=1_000_000, help="Budget of a P-frame.")] = 7_500,
    as_json: Json = False,
) -> None:
    """Milliseconds per P-frame of GRACE on this machine, by stage, beside a fixed reference workload.

    OMP_NUM_THREADS=1 holds it to one thread."""
    with errors_in_one_line("codec"):
        from grace_codec.evaluation.bench import STAGES, measure_codec
        from grace_codec.media import ClipOptions, open_clip

        with open_clip(video, ClipOptions(width_and_height(size))) as clip:
            speed = measure_codec(list(clip.play(frames)), frame_bytes, perf_counter, profile)
    if as_json:
        typer.echo(json.dumps(asdict(speed)))
        return
    title = f"{speed.profile}, {speed.width}x{speed.height}, {speed.bytes_per_frame:.0f} bytes per frame"
    table = Table("stage", "ms", "of the reference", "what", title=f"{title}: medians of {speed.frames} P-frames")
    for name, stage in speed.stages.items():
        table.add_row(name, f"{stage.ms:.1f}", f"{stage.per_reference:.2f}", STAGES[name])
    Console().print(table)
