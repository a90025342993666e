"""Laws of the log's schema: what fits is kept in order, what does not is refused with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_lab.log.schema import Event, SessionLog, parse_event


def test_named_events_keep_their_order() -> None:
    log = SessionLog()
    log.emit(3, "session_ended")
    log.emit(5, "session_ended", frame_id=3)
    assert [event.at_us for event in log.named("session_ended")] == [3, 5]
    assert list(log.named("frame_lost")) == []
    assert len(log) == 2


@pytest.mark.parametrize(
    ("name", "facts", "reason"),
    [
        ("frame_teleported", {}, "unknown event"),
        ("frame_lost", {"frame_id": 1}, "lacks 'reason'"),
        ("frame_lost", {"frame_id": 1.0, "reason": "late"}, "frame_id = 1.0"),
        ("frame_captured", {"frame_id": True, "captured_us": 0}, "frame_id = True"),
        ("packet_sent", {"seq": 1, "frame_id": 0, "index": 0, "bytes": 9, "kind": "odd"}, "kind 'odd'"),
    ],
)
def test_event_outside_the_vocabulary_is_refused(name: str, facts: dict[str, int | str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SessionLog().emit(0, name, **facts)


@given(st.binary(max_size=200))
def test_any_line_parses_or_raises_value_error(line: bytes) -> None:
    try:
        parse_event(line)
    except ValueError:
        return


def test_fact_of_another_type_is_an_error() -> None:
    event = Event(0, "resync", {"a": "x", "b": 2, "c": None})
    assert event.integer("b") == 2
    assert event.number("b") == 2.0
    assert event.number("c") is None
    assert event.text("c") == ""
    with pytest.raises(TypeError, match=r"resync\.a"):
        event.integer("a")
