"""The interface to which the events of a call are written, live and in the lab.

Owns one protocol. The schema of events, files and readers are in `grace_lab.log`.
"""

from __future__ import annotations

from typing import Protocol

Fact = int | float | str | bool | None
"""A JSON scalar."""


class EventLog(Protocol):
    """A sink for named events. `at_us` is in microseconds of the call's clock."""

    def emit(self, at_us: int, name: str, **facts: Fact) -> None:
        """Write one event with its facts."""
        ...
