"""Laws of the lab's twin: it gets the network and the costs of the live call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_lab.log.merge import ProcessLogs
from grace_lab.log.schema import SessionLog
from grace_netsim.trace.rates import RateSeries
from grace_rtc.demo.agreement import costs_of, seen_network
from grace_rtc.errors import DemoError

pytest.importorskip("av")


def logs_with_first_packet(captured_us: int, relayed_us: int) -> ProcessLogs:
    sender, relay = SessionLog(), SessionLog()
    sender.emit(captured_us, "frame_captured", frame_id=0, captured_us=captured_us)
    relay.emit(captured_us - 5, "packet_relayed", direction="up", kind="other", bytes=100)
    relay.emit(captured_us - 4, "packet_relayed", direction="down", kind="feedback", bytes=100)
    for at_us in (relayed_us, relayed_us + 9):
        relay.emit(at_us, "packet_relayed", direction="up", kind="media", bytes=100)
    return ProcessLogs(sender=sender, receiver=SessionLog(), relay=relay)


def test_twins_network_begins_with_the_first_packet_of_the_live_call() -> None:
    network = RateSeries((1_000_000, 2_000_000, 3_000_000))
    seen = seen_network(network, logs_with_first_packet(50_000_000, 50_040_000))
    assert (seen.step_us, seen.duration_us) == (5_000, 300_000)
    assert [seen.rate_at(at_us) for at_us in (0, 39_000, 139_000, 140_000, 240_000)] == [
        1_000_000, 1_000_000, 1_000_000, 2_000_000, 3_000_000
    ]  # fmt: skip


def test_twins_frames_cost_what_they_cost_live() -> None:
    sender, coded = SessionLog(), SessionLog()
    for frame_id, source_frame in ((7, 12), (8, 13), (10, 15)):
        facts = {"frame_id": frame_id, "captured_us": 80_000 * frame_id, "source_frame": source_frame}
        sender.emit(80_000 * frame_id, "frame_captured", **facts)
        more = {"key": False, "bytes": 1, "packets": 1, "parent": 0, "lineage": 1}
        coded.emit(80_000 * frame_id, "frame_encoded", frame_id=frame_id, encode_us=1000 * frame_id, **more)
    assert costs_of(sender, coded.named("frame_encoded"), "encode_us") == {0: 7000, 1: 8000, 3: 10_000}


def test_twin_of_a_call_without_packets_is_an_error() -> None:
    logs = logs_with_first_packet(50_000_000, 50_040_000)
    with pytest.raises(DemoError, match="no video reached the network"):
        seen_network(RateSeries((1,)), ProcessLogs(sender=logs.sender, receiver=logs.receiver))


@given(st.integers(1, 10**9), st.integers(-(10**6), 10**8))
def test_any_first_packet_gives_a_network(captured_us: int, later_us: int) -> None:
    seen = seen_network(RateSeries((1, 2)), logs_with_first_packet(captured_us, captured_us + later_us))
    assert len(seen.rates_bps) == 40
    assert set(seen.rates_bps) <= {1, 2}
