"""Where results come from: command, machine, version, date; kept beside them in run.json."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FILE_NAME = "run.json"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Facts of a run as text."""

    command: str
    machine: str
    software: str
    date: str


def this_machine() -> str:
    """Processor, cores and system, for example "AMD EPYC, 2 cores, Linux 6.1 x86_64"."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()} {platform.machine()}"


def this_software() -> str:
    """Versions of grace-rtc and Python."""
    try:
        release = version("grace-rtc")
    except PackageNotFoundError:
        release = "(not installed)"
    return f"grace-rtc {release}, Python {platform.python_version()}"


def write_provenance(folder: Path, command: Sequence[str] | None = None, now: datetime | None = None) -> Provenance:
    """Describe the run that was just made into `folder`/run.json. `command`: this process's own by default."""
    words = list(command) if command is not None else ["grace-rtc", *sys.argv[1:]]
    date = (now or datetime.now().astimezone()).isoformat(sep=" ", timespec="seconds")
    facts = Provenance(" ".join(words), this_machine(), this_software(), date)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE_NAME).write_text(json.dumps(asdict(facts), indent=1) + "\n", encoding="utf-8")
    return facts


def read_provenance(folder: Path) -> Provenance:
    """The facts of run.json; without it, this machine and the date of results.json."""
    try:
        fields = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return Provenance(*(str(fields[name]) for name in ("command", "machine", "software", "date")))
    except (OSError, ValueError, KeyError, TypeError):
        written = datetime.fromtimestamp((folder / "results.json").stat().st_mtime).astimezone()
        date = f"results written {written.isoformat(sep=' ', timespec='seconds')}"
        return Provenance("(not recorded)", f"{this_machine()} (where this page was made)", this_software(), date)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
