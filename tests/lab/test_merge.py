"""Laws of merging: a call told by three processes has the figures of the same call told by the lab."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Frame
from grace_lab.call import CallConfig, Lab
from grace_lab.cost import ComputeCost
from grace_lab.errors import LogError
from grace_lab.log.events import FrameQuality
from grace_lab.log.merge import ProcessLogs, captured_frames, merge, shown_frames
from grace_lab.log.schema import SessionLog, parse_event
from grace_lab.metrics import METRICS, measure
from grace_netsim.link.link import LinkConfig
from grace_netsim.link.stages import IidLoss
from grace_netsim.trace.rates import RateSeries
from grace_transport.congestion import CONTROLLERS
from grace_transport.event_log import Fact
from grace_transport.wire.media import rtp_timestamp

BOOT_US = 7_000_000_000  # a machine that has been up for two hours
FACTS: dict[str, int | float | str] = {
    "scheme": "stub", "video": "none", "trace": "none", "fps": 25.0, "width": 64, "height": 64, "seed": 1,
    "cc": "gcc", "loss_control": "v2", "owd_ms": 100.0, "queue_packets": 25,
}  # fmt: skip
OF_RELAY = {"packet_dropped", "link_capacity", "link_queue"}
OF_RECEIVER = {"packet_received", "frame_decoded", "frame_lost", "pli_sent"}


def lab_call() -> SessionLog:
    grey = np.full((64, 64), 128, np.uint8)
    config = CallConfig(
        fps=25,
        frames=100,
        uplink=LinkConfig(rate_bps=1_000_000, delay_us=100_000, queue_packets=25, stages=(IidLoss(0.05),)),
        feedback=LinkConfig(delay_us=100_000, queue="infinite"),
        cost=ComputeCost(10_000, 5_000, 1_000),
        capacity=RateSeries((1_000_000,) * 60),
        pixels=False,
        facts=FACTS,
    )
    controller = CONTROLLERS["gcc"](start_bps=500_000, min_bps=50_000, max_bps=4_000_000)
    return Lab(
        config, lambda i: Frame(i, 0, grey, grey, grey), StubCodec(), StubCodec(), controller, SessionLog()
    ).run()


def told_by_three(call: SessionLog) -> ProcessLogs:
    """The same call as its processes would have logged it, on a clock that did not start with it."""
    logs = {"sender": SessionLog(), "receiver": SessionLog(), "relay": SessionLog()}
    for by, log in logs.items():
        log.emit(BOOT_US - 900_000, "process_started", by="netsim" if by == "relay" else by)
    index = 0
    for event in call:
        facts: dict[str, Fact] = dict(event.facts)
        if "captured_us" in facts:
            facts["captured_us"] = event.integer("captured_us") + BOOT_US
        at_us = event.at_us + BOOT_US
        if event.name == "frame_rendered":
            shown = {"rtp_timestamp": rtp_timestamp(event.integer("captured_us") + BOOT_US), "width": 64, "height": 64}
            logs["receiver"].emit(at_us, "frame_shown", index=index, **shown)
            index += 1
        elif event.name not in ("session_started", "session_ended"):
            by = "relay" if event.name in OF_RELAY else "receiver" if event.name in OF_RECEIVER else "sender"
            more: dict[str, Fact] = {"direction": "up", "kind": "media"} if event.name == "packet_dropped" else {}
            logs[by].emit(at_us, event.name, **facts, **more)
    return ProcessLogs(sender=logs["sender"], receiver=logs["receiver"], relay=logs["relay"])


def test_merged_call_has_the_figures_of_the_lab() -> None:
    call = lab_call()
    assert measure(merge(told_by_three(call), FACTS)) == measure(call)
    assert set(measure(call)) == set(METRICS)


def test_time_begins_with_the_first_capture_and_rises() -> None:
    merged = merge(told_by_three(lab_call()), FACTS)
    times = [event.at_us for event in merged]
    assert times == sorted(times)
    assert next(merged.named("frame_captured")).facts["captured_us"] == times[0] == 0


def test_what_is_written_can_be_read_again() -> None:
    for event in merge(told_by_three(lab_call()), FACTS):
        assert parse_event(event.to_json().encode() + b"\n") == event


def test_quality_of_pictures_finds_its_frames() -> None:
    merged = merge(told_by_three(lab_call()), FACTS, {30: FrameQuality(0.95, 38.0)})
    found = [event for event in merged.named("frame_rendered") if event.facts["frame_id"] == 30]
    assert [(event.facts["ssim"], event.facts["psnr"]) for event in found] == [(0.95, 38.0)]


def plain_call() -> ProcessLogs:
    """Three frames of a scheme without our sessions: 0 is shown, 1 was lost on the way, 2 is shown late; one NACK."""
    sender, receiver, relay = SessionLog(), SessionLog(), SessionLog()
    for frame_id in range(3):
        captured_us = BOOT_US + 40_000 * frame_id
        timestamp = (0xFFFFFF00 + 3600 * frame_id) & 0xFFFFFFFF
        sender.emit(
            captured_us, "frame_captured",
            frame_id=frame_id, captured_us=captured_us, rtp_timestamp=timestamp, source_frame=frame_id + 10,
        )  # fmt: skip
        packet: dict[str, Fact] = {"direction": "up", "kind": "media", "bytes": 1016, "rtp_timestamp": timestamp}
        relay.emit(captured_us + 5_000, "packet_relayed", **packet)
        if frame_id == 1:
            relay.emit(captured_us + 5_000, "packet_dropped", seq=-1, reason="droptail", **packet)
        else:
            shown = {"rtp_timestamp": timestamp, "width": 64, "height": 64}
            delay_us = 150_000 if frame_id == 0 else 450_000
            receiver.emit(captured_us + delay_us, "frame_shown", index=frame_id // 2, **shown)
    relay.emit(BOOT_US + 90_000, "packet_relayed", direction="down", kind="feedback", bytes=60)
    relay.emit(BOOT_US + 90_000, "packet_dropped", direction="down", kind="feedback", bytes=60, seq=-1, reason="iid")
    relay.emit(BOOT_US + 95_000, "packet_relayed", direction="up", kind="other", bytes=100)
    return ProcessLogs(sender=sender, receiver=receiver, relay=relay)


def test_plain_frames_are_told_apart_by_their_rtp_timestamps() -> None:
    shown = shown_frames(plain_call())
    assert [(showing.captured.frame_id, showing.captured.source_frame, showing.index) for showing in shown] == [
        (0, 10, 0),
        (2, 12, 1),
    ]
    figures = measure(merge(plain_call(), FACTS))
    assert figures["frames_captured"] == 3
    assert figures["frames_rendered"] == 1
    assert figures["p50_delay_ms"] == 150.0
    assert figures["p98_delay_ms"] == 450.0


def test_plain_packets_are_the_relays_without_srtp_and_without_feedback() -> None:
    figures = measure(merge(plain_call(), FACTS))
    assert figures["bitrate_bps"] == 3 * 1000 * 8 / 0.12
    assert figures["packet_loss_ratio"] == pytest.approx(1 / 3)


def test_call_without_relay_merges() -> None:
    logs = told_by_three(lab_call())
    figures = measure(merge(ProcessLogs(sender=logs.sender, receiver=logs.receiver), FACTS))
    assert figures["packet_loss_ratio"] == 0
    assert figures["frames_rendered"] == measure(merge(logs, FACTS))["frames_rendered"]


def test_what_the_link_does_after_the_call_is_left_out() -> None:
    logs = plain_call()
    assert logs.relay is not None
    logs.relay.emit(BOOT_US + 1_000_000, "link_capacity", bps=5)
    logs.relay.emit(BOOT_US + 1_090_000, "link_capacity", bps=6)
    assert [event.facts["bps"] for event in merge(logs, FACTS).named("link_capacity")] == [5]


def test_pictures_of_another_call_are_left_out() -> None:
    logs = plain_call()
    logs.receiver.emit(BOOT_US + 1, "frame_shown", index=2, rtp_timestamp=12345, width=64, height=64)
    assert [showing.index for showing in shown_frames(logs)] == [0, 1]


def test_sender_that_captured_nothing_is_an_error() -> None:
    sender = SessionLog()
    sender.emit(BOOT_US, "process_started", by="sender")
    with pytest.raises(LogError, match="the call never began"):
        captured_frames(sender)


def test_clocks_of_two_machines_are_an_error() -> None:
    logs = plain_call()
    receiver = SessionLog()
    receiver.emit(1_000_000, "frame_shown", index=0, rtp_timestamp=0xFFFFFF00, width=64, height=64)
    with pytest.raises(LogError, match="two machines"):
        merge(ProcessLogs(sender=logs.sender, receiver=receiver, relay=logs.relay), FACTS)


def test_times_beyond_a_day_are_an_error() -> None:
    logs = plain_call()
    logs.sender.emit(BOOT_US + 90_000_000_000, "frame_skipped", frame_id=1, reason="late")
    with pytest.raises(LogError, match="not the logs of one call"):
        merge(logs, FACTS)


def test_fact_of_a_wrong_type_is_an_error() -> None:
    sender = SessionLog()
    sender.emit(5, "frame_captured", frame_id=0, captured_us=5, rtp_timestamp="soon")
    with pytest.raises(LogError, match="rtp_timestamp"):
        captured_frames(sender)


ANY = st.integers(-(2**70), 2**70)


def lines_of(name: str, numbers: tuple[str, ...], **others: str) -> st.SearchStrategy[tuple[int, str, dict[str, Fact]]]:
    facts = {**dict.fromkeys(numbers, ANY), **{fact: st.just(value) for fact, value in others.items()}}
    return st.tuples(ANY, st.just(name), st.fixed_dictionaries(facts))


LINES = st.lists(
    st.one_of(
        lines_of("frame_captured", ("frame_id", "captured_us")),
        lines_of("frame_skipped", ("frame_id",), reason="x"),
        lines_of("frame_shown", ("index", "rtp_timestamp", "width", "height")),
        lines_of("packet_relayed", ("bytes",), direction="up", kind="media"),
        lines_of("link_capacity", ("bps",)),
    ),
    max_size=8,
)


@given(lines=LINES)
def test_any_logs_merge_or_are_a_log_error(lines: list[tuple[int, str, dict[str, Fact]]]) -> None:
    log = SessionLog()
    for at_us, name, facts in lines:
        log.emit(at_us, name, **facts)
    try:
        measure(merge(ProcessLogs(sender=log, receiver=log, relay=log), FACTS))
    except LogError:
        return
