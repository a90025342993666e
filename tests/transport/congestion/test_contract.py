"""What every row of CONTROLLERS keeps, whatever the network and the peer do."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_transport.congestion import CONTROLLERS, DEFAULT_CONTROLLER, find_controller
from grace_transport.congestion.controller import CongestionController
from grace_transport.types import Feedback, PacketSent, ProbeCluster

START_BPS, MIN_BPS, MAX_BPS = 500_000, 50_000, 4_000_000
MS, S = 1_000, 1_000_000

every_controller = pytest.mark.parametrize("name", CONTROLLERS)


def _make(name: str) -> CongestionController:
    return CONTROLLERS[name](start_bps=START_BPS, min_bps=MIN_BPS, max_bps=MAX_BPS)


def _check(controller: CongestionController, now_us: int) -> None:
    target = controller.target()
    assert MIN_BPS <= target.bitrate_bps <= MAX_BPS
    assert target.bitrate_bps <= target.pacing_bps
    for fps in (5.0, 29.97, 60.0):
        assert 0 < controller.frame_bytes(fps, now_us) <= MAX_BPS / 8 / fps
    assert controller.rtt_us() >= 0
    assert controller.state
    timer_us = controller.get_timer()
    assert timer_us is None or isinstance(timer_us, int)


def _call(
    controller: CongestionController,
    seconds: int,
    delay_us: Callable[[int], int | None],
    *,
    packets_per_s: int = 100,
    clock_us: int = 0,
) -> int:
    """Packets at a steady rate, reported every 100 ms; `delay_us` of the send time, None for a lost packet."""
    now_us = clock_us
    pending: list[tuple[int, int | None]] = []
    for seq in range(seconds * packets_per_s):
        now_us = clock_us + seq * S // packets_per_s
        controller.on_packet_sent(PacketSent(seq, now_us, 1_000))
        delay = delay_us(now_us - clock_us)
        pending.append((seq, None if delay is None else now_us + delay + 9 * S))
        timer_us = controller.get_timer()
        if timer_us is not None and timer_us <= now_us:
            controller.handle_timer(now_us)
        controller.probes_to_send(now_us)
        if seq % (packets_per_s // 10) == 0:
            controller.on_feedback(Feedback(tuple(pending)), now_us + 50 * MS)
            pending = []
            _check(controller, now_us)
    return now_us


@every_controller
def test_starts_at_its_start_rate_within_the_limits(name: str) -> None:
    _check(_make(name), 0)
    assert _make(name).target().bitrate_bps == START_BPS
    high = CONTROLLERS[name](start_bps=10 * MAX_BPS, min_bps=MIN_BPS, max_bps=MAX_BPS)
    low = CONTROLLERS[name](start_bps=1_000, min_bps=MIN_BPS, max_bps=MAX_BPS)
    assert high.target().bitrate_bps == MAX_BPS
    assert low.target().bitrate_bps == MIN_BPS


@every_controller
def test_says_what_it_is(name: str) -> None:
    controller = _make(name)
    assert name.startswith(controller.name)
    assert controller.loss_control in {"v1", "v2", "tolerant", "off", "none"}


@every_controller
def test_round_trip_is_200_ms_before_the_first_report_and_measured_after(name: str) -> None:
    controller = _make(name)
    assert controller.rtt_us() == 200 * MS
    _call(controller, 3, lambda _: 20 * MS)
    assert controller.rtt_us() <= 60 * MS


@every_controller
def test_survives_delay_loss_silence_and_jumping_clocks(name: str) -> None:
    networks: list[Callable[[int], int | None]] = [
        lambda _: 20 * MS,
        lambda at_us: at_us // 10,  # an ever-growing queue
        lambda at_us: None if at_us // (10 * MS) % 2 else 20 * MS,  # every second packet lost
        lambda _: None,
        lambda at_us: -(10**12) if at_us > S else 10**12,  # the receiver's clock jumps
        lambda at_us: 20 * MS - at_us * 2,  # and runs backwards
    ]
    for network in networks:
        _call(_make(name), 5, network, clock_us=10**15)


@every_controller
def test_probe_clusters_are_given_once_and_within_the_maximum(name: str) -> None:
    controller = _make(name)
    controller.on_packet_sent(PacketSent(0, 0, 1_000))
    seen: list[ProbeCluster] = []
    for at_ms in range(0, 20_000, 25):
        controller.handle_timer(at_ms * MS)
        seen += controller.probes_to_send(at_ms * MS)
    assert len({cluster.cluster_id for cluster in seen}) == len(seen)
    assert all(0 < cluster.bitrate_bps <= MAX_BPS for cluster in seen)


@every_controller
def test_same_input_gives_the_same_output(name: str) -> None:
    def targets() -> list[int]:
        controller = _make(name)
        _call(controller, 4, lambda at_us: at_us // 50 if at_us % 7 else None)
        return [controller.target().bitrate_bps, controller.frame_bytes(30, 4 * S), controller.rtt_us()]

    assert targets() == targets()


@every_controller
def test_gap_of_a_million_packets_costs_nothing(name: str) -> None:
    controller = _make(name)
    for seq in (0, 1, 1_000_000, 2_000_000):
        controller.on_packet_sent(PacketSent(seq, seq, 1_000))
    controller.on_feedback(Feedback(((0, 10), (1_000_000, 20), (10**15, 30))), 3 * S)
    controller.on_feedback(Feedback(tuple((seq, None) for seq in range(60_000))), 4 * S)
    _check(controller, 4 * S)


_seqs = st.one_of(st.integers(-10, 40), st.integers(-(2**63), 2**63))
_times = st.one_of(st.none(), st.integers(0, 5 * S), st.integers(-(2**70), 2**70))
_reports = st.tuples(st.just("report"), st.lists(st.tuples(_seqs, _times), max_size=12), st.integers(-(2**50), 2**50))
_sends = st.tuples(st.just("send"), st.integers(0, 20), st.integers(-S, 5 * S))
_timers = st.tuples(st.just("timer"), st.just(None), st.integers(-S, 2**50))


@every_controller
@settings(max_examples=60)
@given(steps=st.lists(st.one_of(_reports, _sends, _sends, _timers), max_size=40))
def test_nothing_from_the_peer_raises(name: str, steps: list[tuple[str, object, int]]) -> None:
    """Sequence numbers nobody sent, repeated, unsorted; times from anywhere; clocks that jump."""
    controller = _make(name)
    seq = 0
    for kind, argument, at_us in steps:
        if kind == "send":
            cluster = next(iter(controller.probes_to_send(at_us)), None)
            packet = PacketSent(seq, at_us, 100 + int(str(argument)), cluster.cluster_id if cluster else None)
            controller.on_packet_sent(packet)
            seq += 1
        elif kind == "timer":
            controller.handle_timer(at_us)
        elif isinstance(argument, list):
            controller.on_feedback(Feedback(tuple(argument)), at_us)
        target = controller.target()
        assert MIN_BPS <= target.bitrate_bps <= MAX_BPS
        assert controller.frame_bytes(30, at_us) > 0
        assert math.isfinite(controller.rtt_us())


def test_loss_control_can_be_chosen_by_argument() -> None:
    controller = CONTROLLERS["gcc"](start_bps=START_BPS, min_bps=MIN_BPS, max_bps=MAX_BPS, loss_control="v1")
    assert controller.loss_control == "v1"
    with pytest.raises(ValueError, match="no loss control is called 'v9'"):
        CONTROLLERS["gcc"](start_bps=START_BPS, min_bps=MIN_BPS, max_bps=MAX_BPS, loss_control="v9")


@every_controller
def test_limits_out_of_order_are_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="min_bps <= max_bps"):
        CONTROLLERS[name](start_bps=1_000, min_bps=2_000_000, max_bps=1_000_000)


def test_controllers_are_found_by_name_or_path() -> None:
    assert find_controller(DEFAULT_CONTROLLER) is CONTROLLERS["gcc"]
    made = find_controller("grace_transport.congestion.fixed:Fixed")
    assert made.__name__ == "Fixed"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no congestion controller is called 'bbr': use gcc, "):
        find_controller("bbr")
    with pytest.raises(ValueError, match="cannot be loaded"):
        find_controller("grace_transport.nowhere:Thing")
    with pytest.raises(ValueError, match="cannot be loaded"):
        find_controller("grace_transport.congestion:Missing")
