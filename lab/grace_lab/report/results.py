"""A run folder of the lab, read and checked: rows of results.json, and the log of each call where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace_lab.errors import ReportError
from grace_lab.log.file import read_log
from grace_lab.log.schema import SessionLog

Value = int | float | str | bool | None

SETTINGS: Final = {
    "where": "{}",
    "cc": "{}",
    "loss_control": "loss control {}",
    "owd_ms": "{:g} ms one way",
    "queue_packets": "queue {}",
    "service": "{}",
    "fps": "{:g} fps",
    "size": "{}",
    "seconds": "{:g} s",
    "loss": "loss {:g}",
    "seed": "seed {}",
}
"""Settings of a call and how they read. Those that differ within a run tell series apart (the seed does not)."""


LIVE: Final = "live"
LAB: Final = "lab"
"""Values of `where`; calls without it are of the lab."""


@dataclass(frozen=True, slots=True)
class Call:
    """One row of results.json. `series` is what it is averaged and coloured with: the scheme, and what else differs."""

    row: Mapping[str, Value]
    series: str
    log_path: Path | None

    def text(self, name: str) -> str:
        """The value as text; empty where there is none."""
        value = self.row.get(name)
        return "" if value is None else str(value)

    def number(self, name: str) -> float | None:
        """The value as a number; None where it is none."""
        value = self.row.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def video(self) -> str:
        """The short name of the video."""
        return short_name(self.text("video"))

    @property
    def trace(self) -> str:
        """The short name of the trace."""
        return short_name(self.text("trace"))

    @property
    def live(self) -> bool:
        """Between real processes, not in virtual time."""
        return self.row.get("where") == LIVE

    def log(self) -> SessionLog | None:
        """The call's log, or None where the run has none. LogError where it is damaged."""
        return None if self.log_path is None else read_log(self.log_path)


def read_run(folder: Path) -> list[Call]:
    """The calls of a run, in the order of results.json. Raises ReportError with what to do next."""
    path = folder / "results.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        advice = "give a folder that `grace-rtc lab run` wrote"
        raise ReportError(f"{path}: cannot be read ({error.strerror or error}); {advice}") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: not JSON ({error}); run the lab again") from error
    if not isinstance(rows, list) or not rows:
        raise ReportError(f"{path}: not a list of calls, or an empty one; run the lab again")
    checked = [_checked(row, number, path) for number, row in enumerate(rows, 1)]
    differing = _differing(checked)
    return [Call(row, _series(row, differing), _log_path(row, folder)) for row in checked]


def settings_text(row: Mapping[str, Value], names: Sequence[str] = tuple(SETTINGS)) -> str:
    """The settings of a call in words, those that it has."""
    values = {name: _setting(row, name) for name in names}
    return ", ".join(SETTINGS[name].format(value) for name, value in values.items() if value is not None)


def short_name(path: str) -> str:
    """A file's name without folders and extension; built-in names as they are."""
    return path if ":" in path else Path(path).stem or path


def _checked(row: object, number: int, path: Path) -> dict[str, Value]:
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("scheme", "video", "trace")):
        raise ReportError(f"{path}: call {number} has no scheme, video or trace; run the lab again")
    for name, value in row.items():
        if not _is_plain(value):
            raise ReportError(f"{path}: call {number} has {name} = {str(value)[:40]}; run the lab again")
    return row


def _is_plain(value: object) -> bool:
    """Text, or a number that is one (not NaN, not beyond all measure), or nothing."""
    if isinstance(value, int | float):
        return abs(value) < 1e18
    return isinstance(value, str | None)


def _setting(row: Mapping[str, Value], name: str) -> Value:
    if name == "size":
        return f"{row['width']}x{row['height']}" if "width" in row and "height" in row else None
    value = row.get(name)
    needs_number = ":g" in SETTINGS[name]
    return None if needs_number and not isinstance(value, int | float) else value


def _differing(rows: Sequence[Mapping[str, Value]]) -> list[str]:
    names = [name for name in SETTINGS if name not in ("seed", "size", "seconds")]
    return [name for name in names if len({_setting(row, name) for row in rows}) > 1]


def _series(row: Mapping[str, Value], differing: Sequence[str]) -> str:
    return ", ".join(part for part in (str(row["scheme"]), settings_text(row, differing)) if part)


def _log_path(row: Mapping[str, Value], folder: Path) -> Path | None:
    """The row's log, if it lies within the run folder."""
    name = row.get("log")
    if not isinstance(name, str):
        return None
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
