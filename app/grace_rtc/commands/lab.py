"""`grace-rtc lab`: calls in virtual time over traces, and reports of them. `grace_lab` does the work."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grace_rtc.commands.trace import From
from grace_rtc.console import errors_in_one_line
from grace_rtc.options import CLIPS, TRACES, Controllers, FixedFps, OwdMs, Seed, Size, width_and_height

if TYPE_CHECKING:
    from grace_lab.matrix import CallRequest, Row

app = typer.Typer(no_args_is_help=True, help="The lab: whole calls in virtual time, and reports of them.")

TABLE = {
    "ssim_db": ("SSIM\ndB", "{:.2f}"),
    "p98_delay_ms": ("P98\nms", "{:.0f}"),
    "non_rendered_ratio": ("not\nshown", "{:.1%}"),
    "stall_ratio": ("stall\nratio", "{:.1%}"),
    "stall_beyond_outages_ratio": ("beyond\noutages", "{:.1%}"),
    "bitrate_bps": ("kbit/s", "{:.0f}"),
    "utilisation_ratio": ("used", "{:.0%}"),
    "wall_s": ("took\ns", "{:.1f}"),
}


class Service(StrEnum):
    """The service of the bottleneck: the paper's token bucket, or mahimahi's delivery opportunities."""

    TOKEN_BUCKET = "token-bucket"
    MAHIMAHI = "mahimahi"


@app.callback()
def lab() -> None:
    """The lab: whole calls in virtual time, and reports of them."""


@app.command()
def run(
    scheme: Annotated[list[str], typer.Option(help="Scheme to send with; repeatable. See `lab schemes`.")],
    video: Annotated[list[str], typer.Option(help=f"Video file, or {CLIPS}; repeatable.")],
    trace: Annotated[list[str], typer.Option(help=f"Trace file, or {TRACES}; repeatable.")],
    trace_format: From = None,
    owd_ms: OwdMs = 100,
    queue_packets: Annotated[int, typer.Option(min=1, max=100_000, help="Drop-tail queue of the bottleneck.")] = 25,
    cc: Controllers = None,
    fps: FixedFps = 25,
    seed: Seed = 1,
    size: Size = None,
    seconds: Annotated[float | None, typer.Option(min=0.2, max=3600, help="Default: the clip once.")] = None,
    service: Annotated[Service, typer.Option(help="How the bottleneck serves.")] = Service.TOKEN_BUCKET,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Random loss after the bottleneck.")] = 0,
    feedback_owd_ms: Annotated[float | None, typer.Option(min=0, max=5000, help="Default: --owd-ms.")] = None,
    feedback_loss: Annotated[float, typer.Option(min=0, max=1, help="Random loss on the way back.")] = 0,
    start_kbps: Annotated[int, typer.Option(min=50, max=100_000, help="First target rate.")] = 300,
    max_kbps: Annotated[int, typer.Option(min=50, max=100_000, help="Highest target rate.")] = 12_000,
    encode_ms: Annotated[float, typer.Option(min=0, max=1000, help="What encoding a frame costs.")] = 10,
    decode_ms: Annotated[float, typer.Option(min=0, max=1000, help="What decoding a frame costs.")] = 5,
    measured_cost: Annotated[bool, typer.Option(help="Computing costs what it costs here.")] = False,
    vmaf: Annotated[bool, typer.Option(help="VMAF as well, with an ffmpeg that has libvmaf.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = max(1, os.cpu_count() or 1),
    out: Annotated[Path | None, typer.Option(help="Folder for results.json and logs; default: runs/DATE.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows there as well.")] = None,
) -> None:  # fmt: skip
    """Run every scheme over every video over every trace, and print what became of the calls."""
    with errors_in_one_line():
        from grace_lab.matrix import CallRequest, call_matrix
        from grace_netsim.trace.files import SHIPPED, find_trace, read_described

        like = CallRequest(
            scheme="", video="", trace="", trace_format=trace_format,
            owd_ms=owd_ms, queue_packets=queue_packets, fps=fps, seed=seed,
            size=width_and_height(size), seconds=seconds, service=service.value, loss=loss,
            feedback_owd_ms=feedback_owd_ms, feedback_loss=feedback_loss,
            start_bps=start_kbps * 1000, max_bps=max_kbps * 1000,
            encode_ms=None if measured_cost else encode_ms, decode_ms=None if measured_cost else decode_ms, vmaf=vmaf,
        )  # fmt: skip
        for name in dict.fromkeys(trace):
            if name not in SHIPPED:
                typer.echo(f"{name}: {read_described(find_trace(name), trace_format)[1]}", err=True)
        folder = out or Path("runs") / datetime.now().strftime("%Y-%m-%d_%H%M%S")
        files = [json_out] if json_out is not None else []
        rows = _run(call_matrix(scheme, video, trace, like, cc or []), folder, jobs, *files)
        if json_out is not None:
            json_out.write_text(json.dumps(rows, indent=1) + "\n")
    Console().print(f"{folder / 'results.json'}; look at it: grace-rtc lab report {folder}", soft_wrap=True)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `lab run` wrote.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file; default: DIR/report.html.")] = None,
) -> None:
    """Make one self-contained HTML page of a run: tables, and a timeline per call."""
    with errors_in_one_line():
        from grace_lab.report import write_report

        page = out or folder / "report.html"
        write_report(folder, page)
    Console().print(f"open {page}", soft_wrap=True)


@app.command()
def schemes() -> None:
    """List the schemes, and what is idealised about each."""
    with errors_in_one_line():
        from grace_codec.schemes import SCHEMES

        table = Table("scheme", "what", "idealised")
        for name, scheme in SCHEMES.items():
            table.add_row(name, scheme.description, scheme.idealised)
    Console().print(table)


def _run(requests: list[CallRequest], folder: Path, jobs: int, *files: Path) -> list[Row]:
    """Prepare and run with progress on the terminal, then a table."""
    from grace_lab.matrix import check_outputs, check_requests, prepare, run_all
    from grace_lab.report import write_provenance

    check_requests(requests)
    check_outputs(folder, *files)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("preparing schemes", total=None)
        prepare(requests, lambda done, total: progress.update(bar, completed=done, total=total))
        progress.update(bar, visible=False)
        bar = progress.add_task("calls", total=len(requests))
        rows = []
        with closing(run_all(requests, folder, min(jobs, len(requests)))) as done:
            for row in done:
                rows.append(row)
                progress.advance(bar)
    write_provenance(folder)
    _print_rows(sorted(rows, key=lambda row: [str(row[name]) for name in ("scheme", "video", "trace", "cc")]))
    return rows


def _print_rows(rows: list[Row]) -> None:
    from grace_lab.matrix import trace_name

    compared = len({row["cc"] for row in rows}) > 1
    table = Table("scheme", "video", "trace", *(["cc"] if compared else []))
    for title, _ in TABLE.values():
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        cells = [
            "–" if row[name] is None else form.format(_scaled(name, row[name])) for name, (_, form) in TABLE.items()
        ]
        names = [str(row["scheme"]), Path(str(row["video"])).stem, trace_name(str(row["trace"]))]
        table.add_row(*names, *([str(row["cc"])] if compared else []), *cells)
    Console().print(table)


def _scaled(name: str, value: float | str | None) -> float:
    assert isinstance(value, int | float)
    return value / 1000 if name == "bitrate_bps" else value
