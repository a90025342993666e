"""The schema of a call's log: which events there are, which facts each carries, and how an event is written as JSON.

Live and simulated calls have the same schema. Metrics are functions of a `SessionLog`; files are in `file`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from grace_transport.event_log import Fact

SENDER: Final = "sender"
RECEIVER: Final = "receiver"
_Types = frozenset[type]
_INT: Final[_Types] = frozenset({int})
_NUMBER: Final[_Types] = frozenset({int, float, type(None)})
_TEXT: Final[_Types] = frozenset({str})
_BOOL: Final[_Types] = frozenset({bool})

SCHEMA: Final[Mapping[str, Mapping[str, _Types]]] = {
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
    "pli_sent": {"last_frame_id": _INT},
    "datagram_rejected": {"by": _TEXT, "reason": _TEXT, "bytes": _INT},
    "session_ended": {},
    # The rest comes from live processes only; `by` is "sender", "receiver" or "netsim".
    "process_started": {"by": _TEXT},
    "process_ended": {"by": _TEXT, "reason": _TEXT},
    "connection_state": {"by": _TEXT, "state": _TEXT},
    "operating_point": {"width": _INT, "height": _INT, "fps": _NUMBER, "reason": _TEXT},
    "frame_ready": {"frame_id": _INT, "captured_us": _INT, "delay_us": _INT},
    "frame_shown": {"index": _INT, "rtp_timestamp": _INT, "width": _INT, "height": _INT},
    "packet_relayed": {"direction": _TEXT, "kind": _TEXT, "bytes": _INT},
    "notice": {"by": _TEXT, "text": _TEXT},
}
"""Event name -> the facts it must carry, with their JSON types. Any event may carry more (docs/demo.md lists them)."""

PACKET_KINDS: Final = frozenset({"media", "retransmission", "padding", "feedback"})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a call at `at_us`, in microseconds of the call's clock. `facts` are JSON scalars."""

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
        """One line without its end: time, name, the facts of the schema in its order, then the others by name."""
        known = [name for name in SCHEMA.get(self.name, {}) if name in self.facts]
        others = sorted(self.facts.keys() - set(known))
        ordered = {"at_us": self.at_us, "event": self.name} | {name: self.facts[name] for name in [*known, *others]}
        return json.dumps(ordered, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def checked_event(at_us: int, name: str, facts: Mapping[str, Fact]) -> Event:
    """The event, if it fits the schema. Raises ValueError with the reason if not."""
    if isinstance(at_us, bool) or not isinstance(at_us, int):
        raise ValueError(f"at_us is {at_us!r}, not an integer of microseconds")
    wanted = SCHEMA.get(name)
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
    """The events of one call in memory, in the order in which they were emitted. An `EventLog`."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events: list[Event] = []
        self._by_name: dict[str, list[Event]] = {}
        for event in events:
            self._append(event)

    def emit(self, at_us: int, name: str, **facts: Fact) -> None:
        """Append one event. Raises ValueError if it does not fit the schema."""
        self._append(checked_event(at_us, name, facts))

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


def parse_event(line: bytes) -> Event:
    """The event of one line, its line end included. Raises ValueError for anything else."""
    if not line.endswith(b"\n"):
        raise ValueError("the line is cut off or too long")
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
