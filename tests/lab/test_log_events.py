"""Laws of the lines that session events become, and of live logs: the lab's bytes, and what a killed process leaves."""

from __future__ import annotations

import errno
import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Frame
from grace_lab.call import CallConfig, Lab
from grace_lab.cost import ComputeCost
from grace_lab.log.live_log import LiveLog, read_live_log
from grace_lab.log.session_events import log_receiver_event, log_sender_event
from grace_lab.log.session_log import Event, SessionLog
from grace_netsim.errors import LogError
from grace_netsim.link.link import LinkConfig
from grace_receiver.events import FrameDecoded, FrameLost, FrameReady, KeyFrameRequested, PacketArrived
from grace_sender.events import FrameEncoded, FrameSkipped, KeyFrameForced, PacketLeft, RateChanged, Resynced
from grace_transport.congestion import CONTROLLERS
from grace_transport.machine import DatagramRejected

LAB_LOG_SHA256 = "a787ef42ecacbe70f8dbe1a2ec2eed5cc97f965a13cd649141b96bd69f0841fe"
"""Of the plain call below, from when the lab still wrote its lines itself. A change of how sessions pace or pack may
change it: then compare the two logs, and put the new figure here."""

FACTS: dict[str, int | float | str] = {
    "scheme": "stub", "video": "none", "trace": "none", "fps": 25.0, "width": 64, "height": 64, "seed": 1,
    "cc": "gcc", "loss_control": "v2", "owd_ms": 100.0, "queue_packets": 25,
}  # fmt: skip

SENDER_LINES = [
    (
        PacketLeft(5, 3, 1, 0, 1200, "media"),
        '{"at_us":5,"event":"packet_sent","seq":3,"frame_id":1,"index":0,"bytes":1200,"kind":"media"}',
    ),
    (
        FrameEncoded(6, 1, True, 900, 2, 0, 77),
        (
            '{"at_us":6,"event":"frame_encoded","frame_id":1,"key":true,"bytes":900,"packets":2,"encode_us":9,"parent":0,'
            '"lineage":77}'
        ),
    ),
    (FrameSkipped(7, 2, "late"), '{"at_us":7,"event":"frame_skipped","frame_id":2,"reason":"late"}'),
    (
        RateChanged(8, 100, 200, 300, "hold"),
        '{"at_us":8,"event":"rate_target","bitrate_bps":100,"pacing_bps":200,"rtt_us":300,"state":"hold"}',
    ),
    (
        Resynced(9, 4, 2, 1, 3),
        '{"at_us":9,"event":"resync","frame_id":4,"base":2,"decoded":1,"replayed":3}',
    ),
    (KeyFrameForced(10, 5, "lost"), '{"at_us":10,"event":"key_frame_forced","frame_id":5,"reason":"lost"}'),
    (
        DatagramRejected(11, "odd", 4),
        '{"at_us":11,"event":"datagram_rejected","by":"sender","reason":"odd","bytes":4}',
    ),
]

RECEIVER_LINES = [
    (PacketArrived(5, 3, 1200), '{"at_us":5,"event":"packet_received","seq":3}'),
    (
        FrameDecoded(6, 1, 2, 3, False, 77),
        (
            '{"at_us":6,"event":"frame_decoded","frame_id":1,"received":2,"total":3,"in_sync":false,"decode_us":9,'
            '"lineage":77}'
        ),
    ),
    (
        FrameReady(1000, 1, 100),
        (
            '{"at_us":1000,"event":"frame_rendered","frame_id":1,"captured_us":100,"delay_us":900,"ssim":0.9876543,'
            '"psnr":40.1235}'
        ),
    ),
    (FrameLost(8, 2, "nothing came"), '{"at_us":8,"event":"frame_lost","frame_id":2,"reason":"nothing came"}'),
    (KeyFrameRequested(9, 4), '{"at_us":9,"event":"key_frame_requested","last_frame_id":4}'),
    (
        DatagramRejected(11, "odd", 4),
        '{"at_us":11,"event":"datagram_rejected","by":"receiver","reason":"odd","bytes":4}',
    ),
]


def test_lab_log_is_byte_for_byte_the_same_everywhere(tmp_path: Path) -> None:
    grey = np.full((64, 64), 128, np.uint8)
    config = CallConfig(
        fps=25,
        frames=25,
        uplink=LinkConfig(rate_bps=2_000_000, delay_us=100_000, queue_packets=25, seed=1),
        feedback=LinkConfig(delay_us=100_000, queue="infinite", seed=7),
        cost=ComputeCost(10_000, 5_000, 1_000),
        pixels=False,
        facts=FACTS,
    )
    controller = CONTROLLERS["fixed"](start_bps=500_000, min_bps=50_000, max_bps=4_000_000)
    lab = Lab(config, lambda i: Frame(i, 0, grey, grey, grey), StubCodec(), StubCodec(), controller, SessionLog())
    lab.run().write(tmp_path / "call.jsonl")
    assert sha256((tmp_path / "call.jsonl").read_bytes()).hexdigest() == LAB_LOG_SHA256


@pytest.mark.parametrize(("event", "line"), SENDER_LINES)
def test_sender_event_is_one_line(event: object, line: str) -> None:
    log = SessionLog()
    log_sender_event(log, event, encode_us=9)
    assert [event.to_json() for event in log] == [line]


@pytest.mark.parametrize(("event", "line"), RECEIVER_LINES)
def test_receiver_event_is_one_line(event: object, line: str) -> None:
    log = SessionLog()
    log_receiver_event(log, event, decode_us=9, ssim=0.98765432, psnr=40.12346)
    assert [event.to_json() for event in log] == [line]


def test_what_is_no_fact_is_passed_over() -> None:
    log = SessionLog()
    log_sender_event(log, object())
    log_receiver_event(log, object())
    assert len(log) == 0


def test_live_line_is_on_disk_at_once(tmp_path: Path) -> None:
    log = LiveLog.to_file(tmp_path / "new" / "a.jsonl")
    log.emit(5, "process_started", by="sender", scheme="stub")
    text = (tmp_path / "new" / "a.jsonl").read_text()
    assert text == '{"at_us":5,"event":"process_started","by":"sender","scheme":"stub"}\n'
    log.close()


def test_cut_last_line_of_a_killed_process_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"at_us":5,"event":"process_started","by":"sender"}\n{"at_us":9,"event":"frame_ca')
    assert list(read_live_log(path)) == [Event(5, "process_started", {"by": "sender"})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "wrote nothing"),
        (b'{"at_us":5', "wrote nothing"),
        (b'{"at_us":5\n{"at_us":5,"event":"session_ended"}\n', r"a\.jsonl:1: "),
        (b'{"at_us":5,"event":"session_ended"}\n' + b"x" * 70_000, r"a\.jsonl:2: .*too long"),
        (b'{"at_us":5,"event":"dance"}\n', "unknown event"),
    ],
)
def test_other_damage_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(LogError, match=reason):
        read_live_log(tmp_path / "a.jsonl")


def test_missing_live_log_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="--json"):
        read_live_log(tmp_path / "none.jsonl")


def test_log_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match="give another place"):
        LiveLog.to_file(tmp_path / "file" / "a.jsonl")


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_does_not_disturb_the_call() -> None:
    heard: list[Event] = []
    log = LiveLog(FullDisk(), heard.append)
    log.emit(1, "remark", by="sender", text="one")
    log.emit(2, "remark", by="sender", text="two")
    assert log.error is not None
    assert [event.at_us for event in heard] == [1, 2]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_log_or_a_log_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    try:
        read_live_log(tmp_path / "a.jsonl")
    except LogError:
        return
