"""Laws of the lines that session events become, and of live logs: the lab's bytes, and what a killed process leaves."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Budget, Frame, ReceivedFrame
from grace_lab.call import CallConfig, Lab
from grace_lab.cost import ComputeCost
from grace_lab.log.events import FrameQuality, log_receiver_event, log_rendered, log_sender_event
from grace_lab.log.file import write_log
from grace_lab.log.schema import SessionLog
from grace_netsim.link.link import LinkConfig
from grace_receiver.events import (
    DecodeWanted,
    FrameDecoded,
    FrameLost,
    FrameReady,
    KeyFrameRequested,
    LossReason,
    PacketArrived,
    ReceiverEvent,
)
from grace_sender.events import (
    EncodeWanted,
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    KeyFrameReason,
    PacketKind,
    PacketLeft,
    RateChanged,
    Resynced,
    SenderEvent,
    SkipReason,
)
from grace_transport.congestion import CONTROLLERS
from grace_transport.machine import DatagramRejected

LAB_LOG_SHA256 = "a24486d816ccb33d9438758ba9681dc8df34688a2662ae4f58643e9d9d99e355"
"""Of the plain call below, from when the lab still wrote its lines itself. A change of how sessions pace or pack may
change it: then compare the two logs, and put the new figure here."""

FACTS: dict[str, int | float | str] = {
    "scheme": "stub", "video": "none", "trace": "none", "fps": 25.0, "width": 64, "height": 64, "seed": 1,
    "cc": "gcc", "loss_control": "v2", "owd_ms": 100.0, "queue_packets": 25,
}  # fmt: skip

NONE = np.zeros((0, 0), np.uint8)
GREY = Frame(1, 100, NONE, NONE, NONE)

SENDER_LINES: list[tuple[SenderEvent, str]] = [
    (
        PacketLeft(5, 3, 1, 0, 1200, PacketKind.MEDIA),
        '{"at_us":5,"event":"packet_sent","seq":3,"frame_id":1,"index":0,"bytes":1200,"kind":"media"}',
    ),
    (
        FrameEncoded(6, 1, True, 900, 2, 0, 77, 9),
        (
            '{"at_us":6,"event":"frame_encoded","frame_id":1,"key":true,"bytes":900,"packets":2,"encode_us":9,"parent":0,'
            '"lineage":77}'
        ),
    ),
    (
        FrameSkipped(7, 2, SkipReason.ENCODER_TOO_SLOW),
        '{"at_us":7,"event":"frame_skipped","frame_id":2,"reason":"encoder too slow"}',
    ),
    (
        FrameSkipped(7, 2, SkipReason.ENCODING_FAILED, "why"),
        '{"at_us":7,"event":"frame_skipped","frame_id":2,"reason":"encoding failed: why"}',
    ),
    (
        RateChanged(8, 100, 200, 300, "hold"),
        '{"at_us":8,"event":"rate_target","bitrate_bps":100,"pacing_bps":200,"rtt_us":300,"state":"hold"}',
    ),
    (
        Resynced(9, 4, 2, 1, 3),
        '{"at_us":9,"event":"resync","frame_id":4,"base":2,"decoded":1,"replayed":3}',
    ),
    (
        KeyFrameForced(10, 5, KeyFrameReason.KEY_LOST),
        '{"at_us":10,"event":"key_frame_forced","frame_id":5,"reason":"key_lost"}',
    ),
    (
        DatagramRejected(11, "odd", 4),
        '{"at_us":11,"event":"datagram_rejected","by":"sender","reason":"odd","bytes":4}',
    ),
]

RECEIVER_LINES: list[tuple[ReceiverEvent, str]] = [
    (PacketArrived(5, 3, 1200), '{"at_us":5,"event":"packet_received","seq":3}'),
    (
        FrameDecoded(6, 1, 2, 3, False, 77, 9),
        (
            '{"at_us":6,"event":"frame_decoded","frame_id":1,"received":2,"total":3,"in_sync":false,"decode_us":9,'
            '"lineage":77}'
        ),
    ),
    (
        FrameReady(1000, 1, 100, GREY),
        '{"at_us":1000,"event":"frame_ready","frame_id":1,"captured_us":100,"delay_us":900}',
    ),
    (
        FrameLost(8, 2, LossReason.NOTHING_TO_DECODE),
        '{"at_us":8,"event":"frame_lost","frame_id":2,"reason":"nothing to decode"}',
    ),
    (
        FrameLost(8, 2, LossReason.NOT_DECODABLE, "another profile"),
        '{"at_us":8,"event":"frame_lost","frame_id":2,"reason":"another profile"}',
    ),
    (KeyFrameRequested(9, 4), '{"at_us":9,"event":"pli_sent","last_frame_id":4}'),
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
    write_log(lab.run(), tmp_path / "call.jsonl")
    assert sha256((tmp_path / "call.jsonl").read_bytes()).hexdigest() == LAB_LOG_SHA256


@pytest.mark.parametrize(("event", "line"), SENDER_LINES)
def test_sender_event_is_one_line(event: SenderEvent, line: str) -> None:
    log = SessionLog()
    log_sender_event(log, event)
    assert [event.to_json() for event in log] == [line]


@pytest.mark.parametrize(("event", "line"), RECEIVER_LINES)
def test_receiver_event_is_one_line(event: ReceiverEvent, line: str) -> None:
    log = SessionLog()
    log_receiver_event(log, event)
    assert [event.to_json() for event in log] == [line]


def test_rendered_frame_is_one_line_with_its_quality_where_it_was_measured() -> None:
    log = SessionLog()
    log_rendered(log, 1000, 1, 100, FrameQuality(0.98765432, 40.12346))
    log_rendered(log, 1040, 2, 140, None)
    start = '"event":"frame_rendered","frame_id"'
    assert [event.to_json() for event in log] == [
        f'{{"at_us":1000,{start}:1,"captured_us":100,"delay_us":900,"ssim":0.9876543,"psnr":40.1235}}',
        f'{{"at_us":1040,{start}:2,"captured_us":140,"delay_us":900,"ssim":null,"psnr":null}}',
    ]


def test_orders_to_the_codec_are_passed_over() -> None:
    log = SessionLog()
    log_sender_event(log, EncodeWanted(0, 1, 0, 0, (), Budget(1000)))
    log_receiver_event(log, DecodeWanted(0, ReceivedFrame(1, True, 1, {}), 0, 0, ()))
    assert len(log) == 0
