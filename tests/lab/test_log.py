"""Laws of the session log: exact bytes out, the same events back, clear errors for anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_lab.log.session_log import Event, SessionLog, parse_event, read_log
from grace_netsim.errors import LogError

LINES = (
    '{"at_us":0,"event":"frame_captured","frame_id":0,"captured_us":0}\n'
    '{"at_us":900,"event":"packet_sent","seq":1,"frame_id":0,"index":0,"bytes":1200,"kind":"media","note":"é"}\n'
    '{"at_us":120000,"event":"frame_rendered","frame_id":0,"captured_us":0,"delay_us":120000,"ssim":null,"psnr":41.5}\n'
)


def sample() -> SessionLog:
    log = SessionLog()
    log.emit(0, "frame_captured", captured_us=0, frame_id=0)
    log.emit(900, "packet_sent", note="é", kind="media", bytes=1200, index=0, frame_id=0, seq=1)
    log.emit(120_000, "frame_rendered", frame_id=0, captured_us=0, delay_us=120_000, ssim=None, psnr=41.5)
    return log


def test_bytes_do_not_depend_on_the_order_of_facts(tmp_path: Path) -> None:
    sample().write(tmp_path / "logs" / "a.jsonl")
    assert (tmp_path / "logs" / "a.jsonl").read_bytes() == LINES.encode()


def test_written_log_reads_back_the_same(tmp_path: Path) -> None:
    sample().write(tmp_path / "a.jsonl")
    assert list(read_log(tmp_path / "a.jsonl")) == list(sample())


def test_named_events_keep_their_order() -> None:
    log = sample()
    log.emit(5, "session_ended", frame_id=3)
    assert [event.at_us for event in log.named("session_ended")] == [5]
    assert list(log.named("frame_lost")) == []
    assert len(log) == 4


def test_listener_hears_each_event() -> None:
    heard: list[Event] = []
    SessionLog(listener=heard.append).emit(7, "session_ended", reason="done")
    assert heard == [Event(7, "session_ended", {"reason": "done"})]


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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"at_us":0,"event":"session_ended"}\n{"at_us":0\n', ":2: "),
        (b'{"at_us":0,"event":"session_ended"}', "cut off"),
        (b"[1]\n", "not an event"),
        (b'{"at_us":"0","event":"session_ended"}\n', "at_us is '0'"),
        (b'{"at_us":0,"event":"session_ended","x":[1]}\n', "not a scalar"),
        (b"\xff\xfe\n", ":1: "),
        (b"[" * 60_000 + b"\n", ":1: "),
    ],
)
def test_damaged_log_names_file_line_and_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content)
    with pytest.raises(LogError, match=reason) as error:
        read_log(path)
    assert "broken.jsonl" in str(error.value)
    assert "run the call again" in str(error.value)


def test_empty_log_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "call.jsonl").touch()
    with pytest.raises(LogError, match="the log is empty; run the call again"):
        read_log(tmp_path / "call.jsonl")


def test_missing_log_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"No such file.*lab wrote"):
        read_log(tmp_path / "none.jsonl")


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
