"""The log of a call: facts with their times, one JSON object per line, the same for live and simulated runs.

Owns the vocabulary of events, writing and validated reading. Knows no metric: those are functions of a `SessionLog`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from grace_netsim.errors import LogError
from grace_transport.event_log import Fact

MAX_LINE_BYTES: Final = 1 << 16
_Types = frozenset[type]
_INT: Final[_Types] = frozenset({int})
_NUMBER: Final[_Types] = frozenset({int, float, type(None)})
_TEXT: Final[_Types] = frozenset({str})
_BOOL: Final[_Types] = frozenset({bool})

VOCABULARY: Final[Mapping[str, Mapping[str, _Types]]] = {
    "session_started": {
        "scheme": _TEXT,
        "video": _TEXT,
        "trace": _TEXT,
        "fps": _NUMBER,
        "width": _INT,
        "height": _INT,
        "seed": _INT,
        "cc": _TEXT,
        "loss_control": _TEXT,
        "owd_ms": _NUMBER,
        "queue_packets": _INT,
    },
    "frame_captured": {"frame_id": _INT, "captured_us": _INT},
    "frame_skipped": {"frame_id": _INT, "reason": _TEXT},
    "frame_encoded": {
        "frame_id": _INT,
        "key": _BOOL,
        "bytes": _INT,
        "packets": _INT,
        "encode_us": _INT,
        "parent": _INT,
    },
    "packet_sent": {"seq": _INT, "frame_id": _INT, "index": _INT, "bytes": _INT, "kind": _TEXT},
    "packet_received": {"seq": _INT},
    "packet_dropped": {"seq": _INT, "reason": _TEXT},
    "frame_decoded": {"frame_id": _INT, "received": _INT, "total": _INT, "in_sync": _BOOL, "decode_us": _INT},
    "frame_rendered": {"frame_id": _INT, "captured_us": _INT, "delay_us": _INT, "ssim": _NUMBER, "psnr": _NUMBER},
    "frame_lost": {"frame_id": _INT, "reason": _TEXT},
    "rate_target": {"bitrate_bps": _INT, "pacing_bps": _INT, "rtt_us": _INT, "state": _TEXT},
    "link_queue": {"packets": _INT, "bytes": _INT},
    "link_capacity": {"bps": _INT},
    "resync": {"frame_id": _INT, "base": _INT, "decoded": _INT, "replayed": _INT},
    "key_frame_forced": {"frame_id": _INT, "reason": _TEXT},
    "key_frame_requested": {"last_frame_id": _INT},
    "datagram_rejected": {"by": _TEXT, "reason": _TEXT, "bytes": _INT},
    "session_ended": {},
    # of live processes alone; `by` is sender, receiver or netsim
    "process_started": {"by": _TEXT},
    "process_ended": {"by": _TEXT, "reason": _TEXT},
    "connection_state": {"by": _TEXT, "state": _TEXT},
    "operating_point": {"width": _INT, "height": _INT, "fps": _NUMBER, "reason": _TEXT},
    "picture_shown": {"index": _INT, "rtp_timestamp": _INT, "width": _INT, "height": _INT},
    "packet_relayed": {"direction": _TEXT, "kind": _TEXT, "bytes": _INT},
    "remark": {"by": _TEXT, "text": _TEXT},
}
"""Event -> the facts it must carry and their types. Any event may carry more (docs/demo.md has those of live calls)."""

PACKET_KINDS: Final = frozenset({"media", "resend", "padding", "feedback"})


@dataclass(frozen=True, slots=True)
class Event:
    """One fact of a call: `facts` are JSON scalars, times are microseconds of the call's clock."""

    at_us: int
    name: str
    facts: Mapping[str, Fact]

    def integer(self, fact: str) -> int:
        """The fact as an int; KeyError or TypeError where the event does not carry one."""
        value = self.facts[fact]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{self.name}.{fact} is {value!r}, not an integer")
        return value

    def number(self, fact: str) -> float | None:
        """The fact as a float, or None where it is null or absent."""
        value = self.facts.get(fact)
        return float(value) if isinstance(value, int | float) else None

    def text(self, fact: str) -> str:
        """The fact as a string ("" where absent)."""
        value = self.facts.get(fact)
        return "" if value is None else str(value)

    def to_json(self) -> str:
        """One line: time, name, the facts of the vocabulary in its order, then any others by name."""
        known = [name for name in VOCABULARY.get(self.name, {}) if name in self.facts]
        others = sorted(self.facts.keys() - set(known))
        ordered = {"at_us": self.at_us, "event": self.name} | {name: self.facts[name] for name in [*known, *others]}
        return json.dumps(ordered, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def checked_event(at_us: int, name: str, facts: Mapping[str, Fact]) -> Event:
    """An event that fits the vocabulary, or ValueError with what is wrong."""
    if isinstance(at_us, bool) or not isinstance(at_us, int):
        raise ValueError(f"at_us is {at_us!r}, not an integer of microseconds")
    wanted = VOCABULARY.get(name)
    if wanted is None:
        raise ValueError(f"unknown event {name!r}")
    for fact, types in wanted.items():
        if fact not in facts:
            raise ValueError(f"event {name} lacks {fact!r}")
        if type(facts[fact]) not in types:
            raise ValueError(f"event {name} has {fact} = {facts[fact]!r}")
    if name == "packet_sent" and facts["kind"] not in PACKET_KINDS:
        raise ValueError(f"packet_sent has kind {facts['kind']!r}, not one of {sorted(PACKET_KINDS)}")
    return Event(at_us, name, facts)


class SessionLog:
    """The events of one call in the order they were emitted; `emit` checks each against the vocabulary.

    `listener`, where given, gets every event as it is emitted (a progress display, a live plot).
    """

    def __init__(self, events: Iterable[Event] = (), listener: Callable[[Event], None] | None = None) -> None:
        self._events: list[Event] = []
        self._by_name: dict[str, list[Event]] = {}
        self._listener = listener
        for event in events:
            self._append(event)

    def emit(self, at_us: int, name: str, **facts: Fact) -> None:
        """Append one event; ValueError where it does not fit the vocabulary."""
        event = checked_event(at_us, name, facts)
        self._append(event)
        if self._listener is not None:
            self._listener(event)

    def _append(self, event: Event) -> None:
        self._events.append(event)
        self._by_name.setdefault(event.name, []).append(event)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def named(self, name: str) -> Iterator[Event]:
        """The events of this name, in order."""
        return iter(self._by_name.get(name, ()))

    def write(self, path: Path) -> None:
        """Write all events as JSON lines (UTF-8, `\\n`), the same bytes for the same events on every machine."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(event.to_json() + "\n" for event in self._events)


def read_log(path: Path) -> SessionLog:
    """Read and check a log file. Raises LogError with file, line and reason."""
    try:
        with path.open("rb") as file:
            log = SessionLog(_parse_lines(file, path))
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error}); give a log that the lab wrote (runs/.../logs/*.jsonl)"
        raise LogError(f"{path}: {reason}") from error
    if not len(log):
        raise LogError(f"{path}: the log is empty; run the call again")
    return log


def _parse_lines(file: IO[bytes], path: Path) -> Iterator[Event]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        try:
            yield parse_event(line)
        except ValueError as error:
            raise LogError(f"{path}:{number}: {error}; the log is damaged, run the call again") from error


def parse_event(line: bytes) -> Event:
    """One line of a log as an event; ValueError for anything else."""
    if not line.endswith(b"\n"):
        raise ValueError("line is cut off or too long")
    try:
        fields = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(fields, dict) or "at_us" not in fields or not isinstance(fields.get("event"), str):
        raise ValueError("not an event (a JSON object with at_us and event)")
    facts = {name: value for name, value in fields.items() if name not in ("at_us", "event")}
    for name, value in facts.items():
        if isinstance(value, dict | list):
            raise ValueError(f"fact {name!r} is not a scalar")
    return checked_event(fields["at_us"], fields["event"], facts)
