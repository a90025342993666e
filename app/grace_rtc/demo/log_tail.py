"""Follows a log that another process is writing, for a display of its progress. Tolerates anything in it."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

from grace_lab.log.session_log import Event, parse_event

MAX_READ_BYTES: Final = 1 << 20


class LogTail:
    """Counts events by name, as far as whole lines have been written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._rest = b""
        self.counts: dict[str, int] = {}
        self.latest: dict[str, Event] = {}

    def poll(self) -> None:
        """Read what is new, up to a bound; a file that is not there yet is empty."""
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            data = self._rest + self._file.read(MAX_READ_BYTES)
        except OSError:
            return
        *lines, self._rest = data.split(b"\n")
        self._rest = self._rest[-MAX_READ_BYTES:]
        for line in lines:
            self._take(line + b"\n")

    def _take(self, line: bytes) -> None:
        try:
            event = parse_event(line)
        except ValueError:
            return
        self.counts[event.name] = self.counts.get(event.name, 0) + 1
        self.latest[event.name] = event

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
