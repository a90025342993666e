"""`grace-rtc demo`: live calls on this machine, from nothing to videos and a report. `grace_rtc.demo` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from grace_rtc.console import complain, errors_in_one_line
from grace_rtc.options import CLIPS, TRACES, Controller, FixedFps, OwdMs, Seed, width_and_height, words

if TYPE_CHECKING:
    from grace_rtc.demo.run import DemoResult


def demo(
    video: Annotated[str, typer.Option(help=f"Video file, or {CLIPS}.")] = "builtin:talk",
    trace: Annotated[str, typer.Option(help=f"Trace file, or {TRACES}.")] = "lte-3",
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="Capacity and queue of the trace times this.")] = 0.4,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Length of each call.")] = 20,
    schemes: Annotated[str, typer.Option(help="grace-lite, x264 (same control), …; h264, vp8: aiortc alone.")] = (
        "grace-lite,x264,h264"
    ),
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT; default: about 320x180, in its shape.")] = None,
    fps: FixedFps = 12.5,
    owd_ms: OwdMs = 100,
    queue_packets: Annotated[int, typer.Option(min=1, max=10_000, help="Drop-tail queue, before --scale.")] = 25,
    cc: Controller = "gcc",
    max_kbps: Annotated[int, typer.Option(min=100, max=100_000, help="Highest target rate of GRACE.")] = 3000,
    seed: Seed = 1,
    agreement: Annotated[bool, typer.Option(help="Run GRACE's call in the lab as well, and compare.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for videos, stats and logs.")] = Path("runs/demo"),
) -> None:  # fmt: skip
    """Send video over an emulated mobile network, with GRACE and with H.264, and see what arrives.

    Sender, network and receiver are processes of their own on this machine, in real time."""
    with errors_in_one_line("rtc,codec,lab"):
        from grace_rtc.demo.run import run_demo
        from grace_rtc.demo.settings import DemoSettings, fitting_size

        settings = DemoSettings(
            out=out, schemes=words(schemes), video=video,
            trace=trace, scale=scale, seconds=seconds, size=width_and_height(size) or fitting_size(video), fps=fps,
            owd_ms=owd_ms, queue_packets=queue_packets, cc=cc, max_bps=max_kbps * 1000, seed=seed, adapt=not agreement,
        )  # fmt: skip
        try:
            with _Progress() as display:
                result = run_demo(settings, agreement, display)
        except KeyboardInterrupt:
            complain("stopped; every process of the call has ended")
            raise typer.Exit(130) from None
    _print(result, out)


class _Progress:
    """Progress on the terminal, one line per step."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None

    def __enter__(self) -> _Progress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_step()
        self._progress.stop()

    def step(self, name: str, total: float | None) -> None:
        self._end_step()
        self._task = self._progress.add_task(name, total=total, note="")

    def update(self, done: float, note: str = "") -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done, note=note)

    def _end_step(self) -> None:
        if self._task is not None:
            task = self._progress.tasks[self._task]
            self._progress.update(self._task, total=task.total or 1, completed=task.total or 1)
            self._progress.stop_task(self._task)


def _print(result: DemoResult, out: Path) -> None:
    from grace_rtc.demo.summary import table, verdict, warning

    console = Console()
    console.print()
    console.print(table(result.calls))
    console.print()
    console.print(verdict(result.calls), style="bold", highlight=False)
    if busy := warning(result.calls):
        console.print(busy, style="yellow", highlight=False)
    if result.agreement is not None:
        console.print()
        console.print(_agreement_table(result))
    console.print(
        f"\nlook: {out / 'sidebyside.mp4'}\nread: {out / 'report.html'}\nstats: {out / 'summary.json'}"
        f"   ({result.took_s:.0f} s)",
        soft_wrap=True,
        highlight=False,
    )


def _agreement_table(result: DemoResult) -> Table:
    assert result.agreement is not None
    shown = Table("lab and life", "live", "lab", "difference", "wanted", "", box=None, pad_edge=False)
    for line in result.agreement.lines:
        shown.add_row(line.title, line.live, line.lab, line.difference, line.wanted, line.verdict)
    return shown
