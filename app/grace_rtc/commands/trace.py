"""`grace-rtc trace`: look at traces, convert, cut, generate and fetch them. `grace_netsim.trace` does the work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from grace_netsim.errors import TraceError
from grace_netsim.trace.formats import Trace
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_rtc.console import errors_in_one_line
from grace_rtc.options import TRACES, Json

app = typer.Typer(no_args_is_help=True, help="Network traces: look at them, convert, cut, generate, fetch.")


class Format(StrEnum):
    """The keys of `grace_netsim.trace.formats.FORMATS`."""

    MAHIMAHI = "mahimahi"
    STEPS = "steps"
    CSV = "csv"
    RATES = "rates"


class SourceFormat(StrEnum):
    """The keys of trace_formats.READERS: what can be read."""

    MAHIMAHI = "mahimahi"
    STEPS = "steps"
    CSV = "csv"
    RATES = "rates"
    TIMES = "times"
    IPERF = "iperf"
    PCAP = "pcap"


class Kind(StrEnum):
    """The keys of `grace_netsim.trace.generate.GENERATORS`."""

    LTE = "lte"
    FCC = "fcc"


MONTH_S = 31 * 86_400  # no trace is longer (grace_netsim.trace.text.MAX_TIME_MS)

Names = Annotated[list[str], typer.Argument(help=f"Trace files, or shipped traces: {TRACES}.")]
Source = Annotated[str, typer.Argument(help="A trace file, or a shipped trace.")]
Target = Annotated[Path, typer.Argument(help="The file to write.")]
Cap = Annotated[float | None, typer.Option(min=0.2, max=100_000, help="Thin every 100 ms to this many Mbit/s.")]
From = Annotated[SourceFormat | None, typer.Option("--from", help="Format of the source; by default told by content.")]


@app.callback()
def trace() -> None:
    """Network traces: look at them, convert, cut, generate, fetch."""


@app.command("list")
def list_traces(as_json: Json = False) -> None:
    """The traces that come with grace-rtc, and the sets of recordings that can be fetched."""
    from grace_netsim.trace.fetch import catalogue
    from grace_netsim.trace.files import SHIPPED, find_trace, load_opportunities
    from grace_netsim.trace.stats import trace_stats

    with errors_in_one_line():
        shipped = {name: trace_stats([load_opportunities(name)]) for name in SHIPPED}
        sets = {name: catalogue().originals(name) for name in (*catalogue().sets, *catalogue().cuts)}
        if as_json:
            rows = [
                {"name": name, "path": str(find_trace(name)), "seconds": s.seconds, "mean_mbps": s.mean, "cv": s.cv}
                for name, s in shipped.items()
            ]
            typer.echo(json.dumps({"shipped": rows, "sets": {name: len(files) for name, files in sets.items()}}))
            return
    table = Table("name", "s", "mean Mbit/s", "variation", "outages/min", title="shipped traces (generated)")
    for name, s in shipped.items():
        table.add_row(name, f"{s.seconds:g}", f"{s.mean:.2f}", f"{s.cv:.2f}", f"{s.outages.per_minute:.0f}")
    Console().print(table)
    table = Table("set", "files", "MB", "licence", title="recordings: grace-rtc trace fetch SET")
    for name, files in sets.items():
        megabytes = f"{sum(file.size_bytes for file in files) / 1e6:.1f}"
        table.add_row(name, str(len(files)), megabytes, "\n".join(dict.fromkeys(file.licence for file in files)))
    Console().print(table)


@app.command()
def info(
    traces: Names,
    pooled: Annotated[bool, typer.Option(help="One column for all traces together.")] = False,
    against: Annotated[str | None, typer.Option(help="Hold published figures beside them: lte8 or fcc8.")] = None,
    cap: Cap = None,
    form: From = None,
    as_json: Json = False,
) -> None:
    """Level, autocorrelation, outages, drops and packet level, over 100 ms steps."""
    from grace_netsim.trace.stats import capped, trace_stats
    from grace_netsim.trace.table import ROWS, published

    with errors_in_one_line():
        loaded = _load_all(traces, form)
        if cap is not None:
            loaded = dict(zip(loaded, capped(list(loaded.values()), cap), strict=True))
        groups = {"pooled": list(loaded.values())} if pooled else {name: [one] for name, one in loaded.items()}
        columns = {name: trace_stats(group) for name, group in groups.items()}
        if against is not None:
            if against not in published():
                raise TraceError(f"{against}: no published figures; use one of {', '.join(published())}")
            columns[f"{against} (published)"] = published()[against]
        _say_how(traces, form)
    if as_json:
        typer.echo(json.dumps({name: asdict(stats) for name, stats in columns.items()}))
        return
    table = Table()
    table.add_column(no_wrap=True)
    for name in columns:
        table.add_column(name)
    for label, text in ROWS:
        table.add_row(label, *(text(stats) for stats in columns.values()))
    Console().print(table)


@app.command()
def plot(
    traces: Names,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("trace.html"),
    form: From = None,
) -> None:
    """Rate, distribution and autocorrelation as one self-contained HTML page."""
    from grace_netsim.trace.files import write_atomically
    from grace_netsim.trace.plot import plot_html

    with errors_in_one_line():
        write_atomically(out, plot_html(_load_all(traces, form)).encode())
        typer.echo(f"{out} ({out.stat().st_size / 1e6:.1f} MB): open it in a browser")
        _say_how(traces, form)


@app.command()
def convert(
    source: Source,
    target: Target,
    form: From = None,
    to: Annotated[Format | None, typer.Option(help="Format of the target; default: by its name.")] = None,
) -> None:
    """Between mahimahi opportunities, `seconds Mbit/s` steps, csv and plain 100 ms rates."""
    from grace_netsim.trace.files import find_trace, read_described

    with errors_in_one_line():
        trace, how = read_described(find_trace(source), form)
        _write(target, trace, to)
        typer.echo(f"{source}: {how}", err=True)


@app.command()
def crop(
    source: Source,
    target: Target,
    start: Annotated[float, typer.Option(min=0, max=MONTH_S, help="Where to begin, s.")] = 0.0,
    seconds: Annotated[
        float | None, typer.Option(min=0.001, max=MONTH_S, help="How long; default: to the end.")
    ] = None,
    cap: Cap = None,
    form: From = None,
    to: Annotated[Format | None, typer.Option(help="Format of the target; default: by its name.")] = None,
) -> None:
    """Cut a piece out, and cap it. The last opportunity moves to the end, so that the piece keeps its length."""
    from grace_netsim.trace import convert as conversion
    from grace_netsim.trace.files import find_trace, read_trace

    with errors_in_one_line():
        whole = _opportunities(read_trace(find_trace(source), form))
        start_ms = round(start * 1_000)
        length_ms = whole.period_ms - start_ms if seconds is None else round(seconds * 1_000)
        piece = conversion.crop(whole, start_ms, length_ms)
        _write(target, piece if cap is None else conversion.cap(piece, round(cap * 1e6)), to)


@app.command()
def generate(
    kind: Annotated[Kind, typer.Argument(help="lte: fading and outages; fcc: calm 5 s steps with slumps.")],
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal bytes.")] = 1,
    seconds: Annotated[int, typer.Option(min=1, help="Length.")] = 60,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; default: standard output.")] = None,
    to: Annotated[Format | None, typer.Option(help="Format; default: by the file's name.")] = None,
) -> None:
    """A trace like the evaluation sets, 0 to 8 Mbit/s. The shipped lte-N is: trace generate lte --seed N."""
    from grace_netsim.trace.files import format_trace
    from grace_netsim.trace.generate import GENERATORS

    with errors_in_one_line():
        made = GENERATORS[kind](seed, seconds)
        if out is None:
            typer.echo(format_trace(made, to or Format.MAHIMAHI), nl=False)
        else:
            _write(out, made, to)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="SET", help="mahimahi, fcc; lte8 or fcc8: the evaluation sets.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path("traces-fetched"),
    base_url: Annotated[str | None, typer.Option(help="Another server with the same paths.")] = None,
) -> None:
    """Download recorded traces from their public repositories; every byte is checked against a pinned SHA-256."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from grace_netsim.trace import fetch as fetching

    with errors_in_one_line():
        catalogue = fetching.catalogue()
        remotes = catalogue.originals(name)
        missing = [remote for remote in remotes if not fetching.is_fetched(remote, out)]
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(name, total=sum(remote.size_bytes for remote in missing))
            for remote in missing:
                progress.update(task, description=remote.name)
                fetching.fetch(remote, out, base_url or catalogue.base_url, partial(progress.advance, task))
        cuts = [fetching.make_cut(cut, out) for cut in catalogue.cuts.get(name, ())]
    typer.echo(f"{len(missing)} fetched, {len(remotes) - len(missing)} already there, {len(cuts)} cut, in {out}")
    for licence in dict.fromkeys(remote.licence for remote in remotes):
        typer.echo(f"licence: {licence}")


def _load_all(names: Sequence[str], form: str | None) -> dict[str, OpportunityTrace]:
    from grace_netsim.trace.files import load_opportunities

    return {name: load_opportunities(name, form) for name in names}


def _say_how(names: Sequence[str], form: str | None) -> None:
    """How files were read, on the standard error."""
    from grace_netsim.trace.files import SHIPPED, find_trace, read_described

    for name in names:
        if name not in SHIPPED:
            typer.echo(f"{name}: {read_described(find_trace(name), form)[1]}", err=True)


def _opportunities(trace: Trace) -> OpportunityTrace:
    from grace_netsim.trace.convert import to_opportunities

    return trace if isinstance(trace, OpportunityTrace) else to_opportunities(trace)


def _write(target: Path, trace: Trace, form: str | None) -> None:
    from grace_netsim.trace.files import format_for, write_trace

    write_trace(target, trace, form or format_for(target))
    typer.echo(f"wrote {target}", err=True)
