"""Closed loops of our own: what a call can rely on. Literal numbers, no files."""

from __future__ import annotations

import pytest

from grace_transport.congestion import CONTROLLERS
from grace_transport.congestion.gcc.control import Gcc

from .bwe_scenarios import Call, microseconds
from .bwe_sim import Clock, Conditions, Flow, Loss, Path

MBPS = 1_000_000
ADAPTIVE = [name for name in CONTROLLERS if name != "fixed"]


def _call(
    name: str, capacity_bps: int, *, loss: float = 0.0, loss_back: float = 0.0, queue_packets: int | None = None
) -> Call:
    """50 ms each way; a queue of 300 ms unless it is given in packets."""
    controller = CONTROLLERS[name](start_bps=500_000, min_bps=50_000, max_bps=8 * MBPS)
    queue_us = 300_000 if queue_packets is None else None
    forward = Conditions(capacity_bps, 50_000, 0, Loss(in_good=loss, in_bad=loss), queue_packets, None, queue_us)
    call = Call(controller, forward, Conditions(None, 50_000, 0, Loss(in_good=loss_back, in_bad=loss_back)))
    call.flow.start()
    return call


def _lost_share(call: Call, until_s: float) -> float:
    """Share of the packets sent from now on that do not arrive."""
    sent, received = call.flow.sent, len(call.flow.received)
    call.run_to(until_s)
    return 1 - (len(call.flow.received) - received) / (call.flow.sent - sent)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_link_is_used_and_its_queue_stays_short(name: str) -> None:
    call = _call(name, 3 * MBPS)
    call.run_to(40)
    assert call.flow.rate_bps(microseconds(10), microseconds(40)) > 0.75 * 3 * MBPS
    assert call.flow.delay_us(0.5, microseconds(10), microseconds(40)) < 50_000 + 120_000
    assert call.flow.delay_us(0.95, microseconds(10), microseconds(40)) < 50_000 + 200_000


@pytest.mark.parametrize("name", ADAPTIVE)
def test_rate_follows_a_drop_of_the_capacity(name: str) -> None:
    call = _call(name, 3 * MBPS)
    call.run_to(20)
    call.forward.set(Conditions(800_000, 50_000, queue_us=300_000))
    call.run_to(24)
    assert call.flow.controller.target().bitrate_bps < 1_000_000


def test_queue_that_a_drop_has_filled_is_empty_again_within_a_second() -> None:
    call = _call("gcc", 3 * MBPS)
    call.run_to(20)
    call.forward.set(Conditions(800_000, 50_000, queue_us=300_000))
    call.run_to(40)
    assert call.flow.delay_us(0.95, microseconds(20), microseconds(21)) > 250_000
    assert call.flow.delay_us(0.95, microseconds(21), microseconds(40)) < 150_000


@pytest.mark.parametrize("name", ADAPTIVE)
def test_restored_capacity_is_found_again(name: str) -> None:
    call = _call(name, 3 * MBPS)
    call.run_to(10)
    call.forward.set(Conditions(800_000, 50_000, queue_us=300_000))
    call.run_to(20)
    call.forward.set(Conditions(3 * MBPS, 50_000, queue_us=300_000))
    call.run_to(80)
    assert call.flow.rate_bps(microseconds(70), microseconds(80)) > 0.6 * 3 * MBPS


def test_random_loss_does_not_starve_the_default_control() -> None:
    """The reason why it is the default: what v1 and v2 do here."""
    arrived = {}
    for name in ("gcc", "gcc-v1", "gcc-libwebrtc"):
        call = _call(name, 3 * MBPS, loss=0.3)
        call.run_to(40)
        arrived[name] = call.flow.rate_bps(microseconds(10), microseconds(40))
    assert arrived["gcc"] > 1.2 * MBPS
    assert arrived["gcc-v1"] < 0.1 * MBPS
    assert arrived["gcc-libwebrtc"] < 0.1 * MBPS


def test_losses_of_a_short_queue_are_answered() -> None:
    """25 packets, as in the paper: with delay alone the queue would overflow all the time."""
    lost = {}
    for name in ("gcc", "gcc-v1", "gcc-libwebrtc", "gcc-off"):
        call = _call(name, 4 * MBPS, queue_packets=25)
        call.run_to(10)
        lost[name] = _lost_share(call, 40)
    assert lost["gcc"] < 0.08
    assert lost["gcc-v1"] < 0.08
    assert lost["gcc-libwebrtc"] < 0.08
    assert lost["gcc-off"] < 0.4


def test_link_without_a_queue_is_overdriven_by_half_at_most() -> None:
    """Two packets of queue add no delay to speak of: their losses look random."""
    call = _call("gcc", 2 * MBPS, queue_packets=2)
    targets_bps = []
    for second in range(40):
        call.run_to(second)
        targets_bps.append(call.target_bps)
    assert max(targets_bps) < 1.55 * 2 * MBPS


def test_lost_reports_are_no_lost_packets() -> None:
    call = _call("gcc-v1", 3 * MBPS, loss_back=0.3)
    call.run_to(40)
    assert call.flow.rate_bps(microseconds(20), microseconds(40)) > 0.5 * 3 * MBPS


def test_two_calls_share_a_link() -> None:
    clock = Clock()
    forward = Path(clock, Conditions(4 * MBPS, 50_000, queue_us=300_000))
    backward = Path(clock, Conditions(None, 50_000))
    flows = []
    for start_s in (0, 15):
        controller = Gcc(start_bps=500_000, min_bps=50_000, max_bps=8 * MBPS)
        flow = Flow(clock, forward, backward, controller)
        clock.at(microseconds(start_s), flow.start)
        flows.append(flow)
    clock.run_until(microseconds(90))
    rates = [flow.rate_bps(microseconds(60), microseconds(90)) for flow in flows]
    assert sum(rates) > 0.8 * 4 * MBPS
    assert min(rates) > 0.15 * 4 * MBPS


def test_fixed_rate_stays_whatever_happens() -> None:
    call = _call("fixed", 300_000)
    call.run_to(10)
    assert call.flow.controller.target().bitrate_bps == 500_000


def test_same_call_twice_is_the_same_to_the_bit() -> None:
    def trace() -> list[tuple[int, int]]:
        call = _call("gcc", 2 * MBPS, loss=0.1)
        call.run_to(15)
        return call.flow.received

    assert trace() == trace()
