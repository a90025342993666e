"""Laws of log files: exact bytes out, the same events back, what a killed process leaves, errors for all else."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_lab.errors import LogError
from grace_lab.log.file import LogFollower, LogWriter, read_log, write_log
from grace_lab.log.schema import Event, SessionLog

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
    write_log(sample(), tmp_path / "logs" / "a.jsonl")
    assert (tmp_path / "logs" / "a.jsonl").read_bytes() == LINES.encode()


def test_written_log_reads_back_the_same(tmp_path: Path) -> None:
    write_log(sample(), tmp_path / "a.jsonl")
    assert list(read_log(tmp_path / "a.jsonl")) == list(sample())


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
    with pytest.raises(LogError, match=r"No such file.*lab run"):
        read_log(tmp_path / "none.jsonl")


def test_live_line_is_on_disk_at_once(tmp_path: Path) -> None:
    log = LogWriter.to_file(tmp_path / "new" / "a.jsonl")
    log.emit(5, "process_started", by="sender", scheme="stub")
    text = (tmp_path / "new" / "a.jsonl").read_text()
    assert text == '{"at_us":5,"event":"process_started","by":"sender","scheme":"stub"}\n'
    log.close()


def test_cut_last_line_of_a_killed_process_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"at_us":5,"event":"process_started","by":"sender"}\n{"at_us":9,"event":"frame_ca')
    assert list(read_log(path, may_be_cut=True)) == [Event(5, "process_started", {"by": "sender"})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the log is empty"),
        (b'{"at_us":5', "the log is empty"),
        (b'{"at_us":5\n{"at_us":5,"event":"session_ended"}\n', r"a\.jsonl:1: "),
        (b'{"at_us":5,"event":"session_ended"}\n' + b"x" * 70_000, r"a\.jsonl:2: .*too long"),
        (b'{"at_us":5,"event":"dance"}\n', "unknown event"),
    ],
)
def test_other_damage_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(LogError, match=reason):
        read_log(tmp_path / "a.jsonl", may_be_cut=True)


def test_missing_live_log_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="--json"):
        read_log(tmp_path / "none.jsonl", may_be_cut=True)


def test_log_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match="give another place"):
        LogWriter.to_file(tmp_path / "file" / "a.jsonl")


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_does_not_disturb_the_call() -> None:
    log = LogWriter(FullDisk())
    log.emit(1, "notice", by="sender", text="one")
    log.emit(2, "notice", by="sender", text="two")
    assert log.error is not None
    log.close()
    assert log.error.errno == errno.ENOSPC


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_log_or_a_log_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    try:
        read_log(tmp_path / "a.jsonl", may_be_cut=True)
    except LogError:
        return


def test_follower_counts_whole_lines_as_they_come(tmp_path: Path) -> None:
    follower = LogFollower(tmp_path / "log")
    follower.poll()
    assert follower.counts == {}
    with (tmp_path / "log").open("wb") as file:
        file.write(b'{"at_us":1,"event":"session_ended"}\n{"at_us":2,"event":"session_')
        file.flush()
        follower.poll()
        assert follower.counts == {"session_ended": 1}
        file.write(b'ended"}\nrubbish\n')
    follower.poll()
    assert follower.counts == {"session_ended": 2}
    follower.close()
