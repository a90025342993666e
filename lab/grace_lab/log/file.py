"""Logs as files: JSON lines in the schema of `schema`, UTF-8, one event per line.

A live process writes line by line (`LogWriter`), so that a process that was killed leaves what it had logged. The lab
writes a log that is complete (`write_log`); the same events give the same bytes on every machine. Times of live
processes are CLOCK_MONOTONIC microseconds, so logs of processes on one machine share a time axis (`merge`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from grace_lab.errors import LogError
from grace_lab.log.schema import Event, SessionLog, checked_event, parse_event
from grace_transport.event_log import Fact

MAX_LINE_BYTES: Final = 1 << 16
MAX_LOG_BYTES: Final = 1 << 30
MAX_READ_BYTES: Final = 1 << 20


class LogWriter:
    """Writes events line by line, each flushed at once. An `EventLog`.

    A disk error never disturbs the call: writing stops, and `error` keeps the reason."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.error: OSError | None = None

    @classmethod
    def to_file(cls, path: Path) -> LogWriter:
        """A new log at `path`; its folder is made where there is none. Raises LogError if that fails."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path.open("w", encoding="utf-8", newline="\n", buffering=1))
        except OSError as error:
            reason = f"cannot be written ({error.strerror or error}); give another place for the log"
            raise LogError(f"{path}: {reason}") from error

    def emit(self, at_us: int, name: str, **facts: Fact) -> None:
        """Write one event. Raises ValueError if it does not fit the schema."""
        event = checked_event(at_us, name, facts)
        if self.error is None:
            try:
                self._stream.write(event.to_json() + "\n")
                self._stream.flush()
            except OSError as error:
                self.error = error

    def close(self) -> None:
        """Close the stream. Idempotent; a disk error is kept in `error`."""
        try:
            self._stream.close()
        except OSError as error:
            self.error = self.error or error


def write_log(log: SessionLog, path: Path) -> None:
    """Write a complete log; its folder is made where there is none. Raises OSError if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(event.to_json() + "\n" for event in log)


def read_log(path: Path, *, may_be_cut: bool = False) -> SessionLog:
    """Read and check a log file of at most 1 GiB. Raises LogError with file, line and reason.

    `may_be_cut`: a last line without its end is left out, as a killed process leaves it; otherwise it is an error."""
    try:
        if path.stat().st_size > MAX_LOG_BYTES:
            raise LogError(f"{path}: larger than {MAX_LOG_BYTES >> 30} GiB; give the log of a shorter call")
        with path.open("rb") as file:
            log = SessionLog(_events(file, path, may_be_cut))
    except OSError as error:
        advice = "give a log that `grace-rtc lab run` or a process with --json wrote"
        raise LogError(f"{path}: cannot be read ({error.strerror or error}); {advice}") from error
    if not len(log):
        raise LogError(f"{path}: the log is empty; run the call again")
    return log


def _events(file: IO[bytes], path: Path, may_be_cut: bool) -> Iterator[Event]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if may_be_cut and not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
            return  # only the last line of a file can lack its end
        try:
            yield parse_event(line)
        except ValueError as error:
            raise LogError(f"{path}:{number}: {error}; the log is damaged, run the call again") from error


class LogFollower:
    """Follows a log that another process is writing, to show its progress: `counts` has events by name.

    Nothing in the file is an error; lines that are not events are passed over."""

    def __init__(self, path: Path) -> None:
        """The file need not exist yet."""
        self._path = path
        self._file: IO[bytes] | None = None
        self._rest = b""
        self.counts: dict[str, int] = {}

    def poll(self) -> None:
        """Count the events of the lines that were completed since the last call, at most 1 MiB of them."""
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            data = self._rest + self._file.read(MAX_READ_BYTES)
        except OSError:
            return
        *lines, self._rest = data.split(b"\n")
        self._rest = self._rest[-MAX_READ_BYTES:]
        for line in lines:
            self._count(line + b"\n")

    def _count(self, line: bytes) -> None:
        try:
            name = parse_event(line).name
        except ValueError:
            return
        self.counts[name] = self.counts.get(name, 0) + 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
