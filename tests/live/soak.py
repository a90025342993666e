"""A long call at heavy loss between three processes, and what becomes of their memory, threads and pictures.

    python -m tests.live.soak [--minutes 10] [--loss 0.2] [--scheme grace-lite] [--size 320x180] [--fps 10] [--folder F]

Prints one row every half minute. Exit status 1 where a process ended, no pictures came for 10 s, or in the second half
memory grew by more than 10 % or a thread came or went. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.live.apps import free_port

from grace_lab.log.file import LogFollower
from grace_rtc.demo.processes import ChildProcess, running_processes

EVERY_S = 30.0
SILENT_S = 10.0
MAX_GROWTH = 1.1
WARM_UP_S = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process: resident memory, threads, processor time so far."""

    rss_mib: float
    threads: int
    cpu_s: float


def sample(child: ChildProcess) -> Sample:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{child.process.pid}/status").read_text().splitlines() if ":" in line
    )
    times = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
    return Sample(
        int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), (int(times[11]) + int(times[12])) / 100
    )


def soak(minutes: float, loss: float, scheme: str, size: str, fps: str, folder: Path) -> list[str]:
    """What went wrong, in words; nothing if nothing did."""
    environment = {"GRACE_TOKEN": secrets.token_hex(16), "OMP_NUM_THREADS": "1"}
    end, middle = free_port(), free_port()
    logs = {name: folder / f"{name}.jsonl" for name in ("receive", "netsim", "send")}
    losses = ["--loss", str(loss), "--feedback-loss", str(loss)]
    commands = {
        "receive": ["--listen", f"127.0.0.1:{end}", "--record", str(folder / "received.mp4")],
        "netsim": ["--listen", f"127.0.0.1:{middle}", "--forward", f"http://127.0.0.1:{end}", *losses],
        "send": [
            "--input",
            "builtin:talk",
            "--loop",
            "--to",
            f"http://127.0.0.1:{middle}",
            "--size",
            size,
            "--fps",
            fps,
        ],
    }
    commands["send"] += ["--scheme", scheme, "--seconds", f"{60 * minutes:g}"]
    commands["receive"] += ["--scheme", scheme]
    with running_processes(folder) as members:
        children = []
        for name, rest in commands.items():
            children.append(members.start(name, [name, *rest, "--json", str(logs[name])], environment))
            time.sleep(3)
        return watch(children, logs, minutes)


def watch(children: list[ChildProcess], logs: dict[str, Path], minutes: float) -> list[str]:
    rows: list[list[Sample]] = []
    shown, pictures, last_picture_s = LogFollower(logs["receive"]), 0, time.monotonic() + WARM_UP_S
    started_s = next_s = time.monotonic()
    wrong: list[str] = []
    print("minute  " + "  ".join(f"{child.name:>8}: MiB thr cpu%" for child in children) + "    shown", flush=True)
    while not wrong and children[-1].status is None and time.monotonic() < started_s + 60 * minutes + 120:
        now_s = time.monotonic()
        shown.poll()
        count = shown.counts.get("frame_shown", 0)
        if count > pictures:
            pictures, last_picture_s = count, now_s
        if now_s - last_picture_s > SILENT_S and now_s < started_s + 60 * minutes:
            wrong.append(f"no picture for {SILENT_S:g} s after {pictures}")
        wrong += [child.failure("ended").args[0] for child in children[:-1] if child.status is not None]
        if now_s >= next_s and not wrong and now_s < started_s + 60 * minutes - 1:  # then the call ends
            rows.append([sample(child) for child in children])
            print_row((now_s - started_s) / 60, rows, shown)
            next_s += EVERY_S
        time.sleep(0.5)
    wrong += [child.failure("failed").args[0] for child in children if child.status not in (None, 0)]
    return wrong + unsteady([child.name for child in children], rows)


def print_row(minute: float, rows: list[list[Sample]], shown: LogFollower) -> None:
    before = rows[-2] if len(rows) > 1 else [Sample(0, 0, now.cpu_s) for now in rows[-1]]
    cells = [
        f"{now.rss_mib:13.1f} {now.threads:3} {100 * (now.cpu_s - then.cpu_s) / EVERY_S:4.0f}"
        for now, then in zip(rows[-1], before, strict=True)
    ]
    print(f"{minute:6.1f}  " + "  ".join(cells) + f"   {shown.counts.get('frame_shown', 0):6}", flush=True)


def unsteady(names: list[str], rows: list[list[Sample]]) -> list[str]:
    """What the second half of a run changed."""
    wrong = []
    half = rows[len(rows) // 2 :]
    for at, name in enumerate(names):
        column = [row[at] for row in half]
        if column and column[-1].rss_mib > MAX_GROWTH * column[0].rss_mib:
            wrong.append(f"{name}: {column[0].rss_mib:.0f} MiB became {column[-1].rss_mib:.0f}")
        if len({entry.threads for entry in column}) > 1:
            wrong.append(f"{name}: threads {sorted({entry.threads for entry in column})}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--loss", type=float, default=0.2)
    parser.add_argument("--scheme", default="grace-lite")
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--fps", default="10")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="grace-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    wrong = soak(given.minutes, given.loss, given.scheme, given.size, given.fps, folder)
    print("\n".join(wrong) or f"steady; logs and received.mp4 in {folder}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
