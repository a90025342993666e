"""The log of a live process: JSON lines in the vocabulary of `log`, each on disk as soon as it happened.

Times are CLOCK_MONOTONIC microseconds, so that the logs of processes on one machine share an axis (`merge`). Owns
writing while a call runs, and reading what a killed process left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from grace_lab.log.session_log import MAX_LINE_BYTES, Event, SessionLog, checked_event, parse_event
from grace_netsim.errors import LogError
from grace_transport.event_log import Fact

MAX_LOG_BYTES: Final = 1 << 30
SENDER: Final = "sender"
RECEIVER: Final = "receiver"
NETSIM: Final = "netsim"


def monotonic_us() -> int:
    """Now, as asyncio's and uvloop's `loop.time()` count."""
    return time.monotonic_ns() // 1000


class LiveLog:
    """Writes events line by line. A full disk never disturbs the call: writing stops, and `error` says why."""

    def __init__(self, stream: IO[str], listener: Callable[[Event], None] | None = None) -> None:
        """`listener` gets every event as well, whether or not it could be written."""
        self._stream = stream
        self._listener = listener
        self.error: OSError | None = None

    @classmethod
    def to_file(cls, path: Path, listener: Callable[[Event], None] | None = None) -> LiveLog:
        """A new log at `path`, its folder made where there is none. Raises LogError where that cannot be."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path.open("w", encoding="utf-8", newline="\n", buffering=1), listener)
        except OSError as error:
            reason = f"cannot be written ({error.strerror or error}); give another place for the log"
            raise LogError(f"{path}: {reason}") from error

    def emit(self, at_us: int, name: str, **facts: Fact) -> None:
        """Write one event; ValueError where it does not fit the vocabulary."""
        event = checked_event(at_us, name, facts)
        if self.error is None:
            try:
                self._stream.write(event.to_json() + "\n")
                self._stream.flush()
            except OSError as error:
                self.error = error
        if self._listener is not None:
            self._listener(event)

    def close(self) -> None:
        try:
            self._stream.close()
        except OSError as error:
            self.error = self.error or error


def read_live_log(path: Path) -> SessionLog:
    """The log of one live process. A last line that a killed process did not finish is left out.

    Raises LogError with file, line and reason for everything else that is no such log."""
    try:
        if path.stat().st_size > MAX_LOG_BYTES:
            raise LogError(f"{path}: larger than {MAX_LOG_BYTES >> 30} GiB; give the log of a shorter call")
        with path.open("rb") as file:
            log = SessionLog(_events(file, path))
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error}); run the process with --json and give its log"
        raise LogError(f"{path}: {reason}") from error
    if not len(log):
        raise LogError(f"{path}: the log is empty: its process wrote nothing; run the call again")
    return log


def _events(file: IO[bytes], path: Path) -> list[Event]:
    events: list[Event] = []
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
            break  # only the last line can lack its end
        try:
            events.append(parse_event(line))
        except ValueError as error:
            raise LogError(f"{path}:{number}: {error}; the log is damaged, run the call again") from error
    return events
