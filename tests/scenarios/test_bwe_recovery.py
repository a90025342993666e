"""What `gcc` does beyond libwebrtc, closed loop: it finds free capacity, shares it, and trusts no clock but ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grace_transport.congestion import CONTROLLERS
from grace_transport.congestion.controller import CongestionController

from . import bwe_sim
from .bwe_scenarios import Call, microseconds
from .bwe_sim import Clock, Conditions, Cubic, Flow, Path

MBPS = 1_000_000
OURS = ["gcc", "responsive"]


def _controller(name: str) -> CongestionController:
    return CONTROLLERS[name](start_bps=300_000, min_bps=50_000, max_bps=12 * MBPS)


def _call(name: str, capacity_bps: int) -> Call:
    call = Call(_controller(name), Conditions(capacity_bps, 50_000, queue_us=300_000), Conditions(None, 50_000))
    call.flow.start()
    return call


@pytest.mark.parametrize("name", OURS)
def test_freed_capacity_is_used_within_three_seconds(name: str) -> None:
    call = _call(name, 500_000)
    call.run_to(20)
    call.forward.set(Conditions(4 * MBPS, 50_000, queue_us=300_000))
    call.run_to(24)
    assert call.flow.rate_bps(microseconds(23), microseconds(24)) > 0.8 * 4 * MBPS


def test_rate_is_back_three_seconds_after_an_outage() -> None:
    call = _call("gcc", 3 * MBPS)
    call.run_to(10)
    call.forward.set(Conditions(0, 50_000, queue_packets=25))
    call.run_to(15)
    call.forward.set(Conditions(3 * MBPS, 50_000, queue_packets=25))
    call.run_to(19)
    assert call.flow.rate_bps(microseconds(18), microseconds(19)) > 0.8 * 3 * MBPS


@pytest.mark.parametrize("capacity_bps", [900_000, 1_500_000, 3_000_000])
def test_the_start_ramps_without_losses(capacity_bps: int) -> None:
    controller = _controller("gcc")
    call = Call(controller, Conditions(capacity_bps, 100_000, queue_packets=25), Conditions(None, 100_000))
    call.flow.start()
    call.run_to(3)
    assert call.forward.dropped <= 0.01 * call.flow.sent
    assert call.flow.rate_bps(microseconds(2.2), microseconds(3)) > 0.7 * capacity_bps


@pytest.mark.parametrize("step_us", [10_000_000, 2_000_000, -1_000_000, -(1 << 23) * 64_000])
@pytest.mark.parametrize("name", OURS)
def test_a_step_of_the_receivers_clock_changes_nothing(
    name: str, step_us: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bwe_sim, "RECEIVER_CLOCK_US", 600_000_000_000)
    call = _call(name, 3 * MBPS)
    call.run_to(20)
    before_bps = call.flow.rate_bps(microseconds(15), microseconds(20))
    monkeypatch.setattr(bwe_sim, "RECEIVER_CLOCK_US", 600_000_000_000 + step_us)
    call.run_to(30)
    assert call.flow.rate_bps(microseconds(20), microseconds(25)) > 0.9 * before_bps
    assert call.flow.rate_bps(microseconds(25), microseconds(30)) > 0.9 * before_bps


class _Bursty(Path):
    """Lets what has crossed it go on a grid of `every_us`, as Wi-Fi aggregation and LTE schedulers do."""

    every_us = 1

    def send(self, size_bytes: int, deliver: Callable[[], None], extra_delay_us: int = 0) -> None:
        clock, every_us = self._clock, self.every_us
        super().send(size_bytes, lambda: clock.at(-(-clock.now_us // every_us) * every_us, deliver), extra_delay_us)


@pytest.mark.parametrize("every_ms", [20, 40, 100])
def test_arrivals_in_bursts_are_no_congestion(every_ms: int) -> None:
    clock = Clock()
    forward = _Bursty(clock, Conditions(5 * MBPS, 30_000, queue_us=300_000), 1)
    forward.every_us = every_ms * 1_000
    flow = Flow(clock, forward, Path(clock, Conditions(None, 30_000), 2), _controller("gcc"))
    flow.start()
    clock.run_until(microseconds(60))
    assert flow.rate_bps(microseconds(20), microseconds(60)) > 0.6 * 5 * MBPS
    assert flow.delay_us(0.95, microseconds(20), microseconds(60)) < 30_000 + 2 * every_ms * 1_000 + 40_000


@pytest.mark.parametrize("name", OURS)
def test_two_calls_share_a_link_60_to_40_after_20_seconds(name: str) -> None:
    clock = Clock()
    forward, backward = (
        Path(clock, Conditions(3 * MBPS, 50_000, queue_us=300_000)),
        Path(clock, Conditions(None, 50_000)),
    )
    flows = [Flow(clock, forward, backward, _controller(name)) for _ in range(2)]
    for flow, start_s in zip(flows, (0, 5.011), strict=True):
        clock.at(microseconds(start_s), flow.start)
    clock.run_until(microseconds(60))
    rates = [flow.rate_bps(microseconds(25), microseconds(60)) for flow in flows]
    assert sum(rates) > 0.7 * 3 * MBPS
    assert min(rates) > 0.4 * sum(rates)


@pytest.mark.parametrize("name", OURS)
def test_a_call_and_a_cubic_flow_leave_each_other_a_fifth(name: str) -> None:
    clock = Clock()
    forward, backward = (
        Path(clock, Conditions(3 * MBPS, 50_000, queue_us=300_000)),
        Path(clock, Conditions(None, 50_000)),
    )
    flow = Flow(clock, forward, backward, _controller(name))
    cubic = Cubic(clock, forward, 50_000)
    flow.start()
    clock.at(microseconds(5), cubic.start)
    clock.run_until(microseconds(80))
    ours_bps = flow.rate_bps(microseconds(20), microseconds(80))
    assert ours_bps > 0.2 * 3 * MBPS
    assert cubic.rate_bps(microseconds(20), microseconds(80)) > 0.2 * 3 * MBPS
