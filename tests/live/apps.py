"""`grace-rtc send` and `grace-rtc receive` as processes, for tests: started, watched by their logs, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grace_lab.errors import LogError
from grace_lab.log.file import read_log
from grace_lab.log.schema import Event

PATIENCE_S = 300.0  # a guard against waiting for ever; no verdict depends on it
SMALL = ("--input", "test", "--size", "64x64", "--fps", "10")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class App:
    """One process with a JSON log."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log = folder / f"{name}.jsonl"
        self.errors = folder / f"{name}.txt"
        program = "from grace_rtc.cli import main; main()"
        command = [sys.executable, "-c", program, *arguments, "--json", str(self.log), "--stats", "0"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment, cwd=folder
            )

    def events(self, name: str) -> list[Event]:
        """So far; a log that is not there yet has none."""
        try:
            return list(read_log(self.log, may_be_cut=True).named(name))
        except LogError:
            return []

    def says(self) -> str:
        return self.errors.read_text(errors="replace")

    def wait_for(self, what: str, count: int = 1) -> list[Event]:
        """Until the log has so many events of that name."""
        self.wait_until(lambda: len(self.events(what)) >= count, f"{count} {what}")
        return self.events(what)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"ended before {what}: {self.says()}"
            assert time.monotonic() < end, f"no {what}: {self.says()}"
            time.sleep(0.1)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextmanager
def apps(*running: App) -> Iterator[None]:
    """Whatever happens, no process stays."""
    try:
        yield
    finally:
        for app in running:
            app.process.kill()
            app.process.wait()


def receiver(folder: Path, port: int, *arguments: str, name: str = "receiver") -> App:
    app = App(folder, name, "receive", "--listen", f"127.0.0.1:{port}", *arguments)
    app.wait_until(lambda: "waiting for calls" in app.says(), "readiness")
    return app


def sender(folder: Path, port: int, *arguments: str, name: str = "sender") -> App:
    return App(folder, name, "send", "--to", f"http://127.0.0.1:{port}", *arguments)
