"""Means of metrics over calls, and how numbers are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from grace_lab.metrics import METRICS
from grace_lab.report.results import Call

COLUMNS: Final = (
    "ssim_db", "psnr_db", "p50_delay_ms", "p98_delay_ms", "non_rendered_ratio", "stalls_per_s", "stall_ratio",
    "stall_beyond_outages_ratio", "bitrate_bps", "utilisation_ratio", "step_up_ms", "packet_loss_ratio",
)  # fmt: skip

TITLES: Final = {
    "ssim_db": "SSIM dB",
    "psnr_db": "PSNR dB",
    "p50_delay_ms": "P50 delay ms",
    "p98_delay_ms": "P98 delay ms",
    "non_rendered_ratio": "non-rendered",
    "stalls_per_s": "stalls/s",
    "stall_ratio": "stall ratio",
    "stall_beyond_outages_ratio": "stall beyond outages",
    "bitrate_bps": "kbit/s",
    "utilisation_ratio": "utilisation",
    "step_up_ms": "ms to 80 % after a step up",
    "packet_loss_ratio": "packets lost",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as text. `sort` orders the column, `best` marks its best cell."""

    text: str
    sort: float
    best: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: the names of its group, the number of its calls, and a cell per column."""

    names: tuple[str, ...]
    calls: int
    cells: tuple[Cell, ...]


def means(calls: Sequence[Call], group: Callable[[Call], tuple[str, ...]]) -> list[Line]:
    """One line per group, in order of first appearance: the mean of each metric over its calls that have one.

    The first name of a group is its series. Lines that differ in nothing else are compared: the best is marked."""
    groups: dict[tuple[str, ...], list[Call]] = {}
    for call in calls:
        groups.setdefault(group(call), []).append(call)
    values = {names: [mean(members, column) for column in COLUMNS] for names, members in groups.items()}
    rivals: dict[tuple[str, ...], list[list[float | None]]] = {}
    for names, row in values.items():
        rivals.setdefault(names[1:], []).append(row)
    best = {
        rest: [_best(*column) for column in zip(COLUMNS, zip(*rows, strict=True), strict=True)]
        for rest, rows in rivals.items()
    }
    return [
        Line(names, len(groups[names]), tuple(map(_cell, COLUMNS, row, best[names[1:]])))
        for names, row in values.items()
    ]


def mean(calls: Sequence[Call], metric: str) -> float | None:
    """Mean over the calls that have this metric; None where none has."""
    values = [value for call in calls if (value := call.number(metric)) is not None]
    return sum(values) / len(values) if values else None


def written(metric: str, value: float | None) -> str:
    """A number for people: ratios in percent, rates in kbit/s."""
    if value is None:
        return "–"
    if metric.endswith("_ratio"):
        return f"{100 * value:.2f} %"
    if metric == "bitrate_bps":
        return f"{value / 1000:.0f}"
    return f"{value:.{METRICS[metric].digits}f}"


def _best(metric: str, values: Sequence[float | None]) -> str | None:
    """The best number as text, so that equal ones are marked alike; None where there is nothing to choose."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or not METRICS[metric].better:
        return None
    return written(metric, max(known) if METRICS[metric].better == "higher" else min(known))


def _cell(metric: str, value: float | None, best: str | None) -> Cell:
    text = written(metric, value)
    return Cell(text, float("-inf") if value is None else value, value is not None and text == best)
