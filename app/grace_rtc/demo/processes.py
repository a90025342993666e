"""The processes of one call: each starts in a process group of its own, and all end together, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace_rtc.errors import DemoError

TAIL_LINES: Final = 15
TAIL_BYTES: Final = 1 << 14
GRACE_PERIODS_S: Final = (10.0, 3.0)
"""How long a process may take to end by itself after SIGINT, and after SIGTERM; then it is killed."""


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A running command. `printed` is the file that gets all that it prints."""

    name: str
    process: subprocess.Popen[bytes]
    printed: Path

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self.process.poll()

    def tail(self) -> str:
        """The end of what it printed."""
        try:
            text = self.printed.read_bytes()[-TAIL_BYTES:].decode("utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    def failure(self, what: str) -> DemoError:
        """An error that says what happened and shows the end of what this process printed."""
        tail = self.tail()
        shown = f"; it said last:\n{tail}" if tail.strip() else "; it printed nothing"
        return DemoError(f"{self.name} {what}{shown}\n(all of it: {self.printed})")


class Processes:
    """Starts child processes and ends them all."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets a file NAME.txt for each child."""
        self._folder = folder
        self._children: list[ChildProcess] = []

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> ChildProcess:
        """Run `grace-rtc ARGUMENTS`. Its output goes to a file, its input is empty."""
        command = [sys.executable, "-m", "grace_rtc.child", str(os.getpid()), *arguments]
        printed = self._folder / f"{name}.txt"
        printed.parent.mkdir(parents=True, exist_ok=True)
        with printed.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "200", **(environment or {})},
                start_new_session=True,
            )
        child = ChildProcess(name, process, printed)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raises DemoError for the first child that has ended in failure."""
        for child in self._children:
            if child.status not in (None, 0):
                raise child.failure(f"ended with status {child.status}")

    def end(self, child: ChildProcess, grace_periods_s: Sequence[float] = GRACE_PERIODS_S) -> int:
        """Send SIGINT, then SIGTERM, then SIGKILL to its whole group until it has ended. Returns its exit status."""
        for number, wait_s in zip(
            (signal.SIGINT, signal.SIGTERM, signal.SIGKILL), (*grace_periods_s, 5.0), strict=True
        ):
            if child.status is None:
                _signal_group(child.process.pid, number)
                _wait(child, wait_s)
        _signal_group(child.process.pid, signal.SIGKILL)  # processes that it started itself
        return child.process.wait()

    def end_all(self, grace_periods_s: Sequence[float] = GRACE_PERIODS_S) -> None:
        """Interrupt all at once, then end each, the newest first."""
        for child in self._children:
            if child.status is None:
                _signal_group(child.process.pid, signal.SIGINT)
        for child in reversed(self._children):
            self.end(child, grace_periods_s)


@contextmanager
def running_processes(folder: Path) -> Iterator[Processes]:
    """Processes that have all ended when this block ends; without patience where it ends by an error or Ctrl-C."""
    members = Processes(folder)
    with _sigterm_raises():
        try:
            yield members
        except BaseException:
            members.end_all((1.0, 1.0))
            raise
        members.end_all()


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """`kill` ends the demo as Ctrl-C does: through the blocks that clean up."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # it has ended, and its number may be another's by now
        return


def _wait(child: ChildProcess, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while child.status is None and time.monotonic() < end_s:
        time.sleep(0.02)
