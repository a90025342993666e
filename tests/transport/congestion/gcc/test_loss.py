"""Loss control v1, in the target that it acts on."""

from __future__ import annotations

import pytest
from tests.vectors import Case, cases

from grace_transport.congestion.gcc.target_rate import TargetRate

MS = 1_000
S = 1_000_000


@pytest.mark.parametrize("case", cases("gcc", "loss_v1", "cases"))
def test_vectors(case: Case) -> None:
    first, *ops = case["ops"]
    rate = TargetRate(first["start_bps"], first["min_bps"], first["max_bps"], loss_control="v1")
    for op in ops:
        _apply(rate, op)
        if op["op"] == "expect":
            _check(rate, op)


def _apply(rate: TargetRate, op: Case) -> None:
    now_us = op.get("at_ms", 0) * MS
    match op["op"]:
        case "packets_lost":
            rate.on_packets_lost(op["lost"], op["expected"], now_us)
        case "rtt":
            rate.on_rtt(op["rtt_ms"] * MS)
        case "delay_based":
            rate.on_delay_based(op["bitrate_bps"])
        case "receiver_estimate":
            rate.on_receiver_estimate(op["bitrate_bps"])
        case "set_send_bitrate":
            rate.set_rate(op["bitrate_bps"])
        case "update_estimate":
            rate.update(now_us)


def _check(rate: TargetRate, op: Case) -> None:
    if "target_bps" in op:
        assert rate.target_bps == pytest.approx(op["target_bps"], abs=op.get("tolerance_bps", 0))
    assert op.get("target_min_bps", 0) <= rate.target_bps <= op.get("target_max_bps", 1e12)
    if "fraction_loss_q8" in op:
        assert rate.fraction_loss_q8 == op["fraction_loss_q8"]


def _rate(start_bps: int = 1_000_000) -> TargetRate:
    return TargetRate(start_bps, 10_000, 10_000_000, loss_control="v1")


def test_little_loss_grows_eight_percent() -> None:
    rate = _rate()
    rate.on_packets_lost(1, 100, 3 * S)
    assert rate.target_bps == 1_081_000


def test_moderate_loss_holds() -> None:
    rate = _rate()
    rate.on_packets_lost(5, 100, 3 * S)
    assert rate.target_bps == 1_000_000


def test_heavy_loss_takes_half_of_it_off_once_per_decision() -> None:
    rate = _rate()
    rate.on_packets_lost(25, 100, 3 * S)
    assert rate.target_bps == 875_000
    rate.update(4 * S)
    assert rate.target_bps == 875_000


def test_fewer_than_twenty_packets_decide_nothing() -> None:
    rate = _rate()
    rate.on_packets_lost(19, 19, 3 * S)
    assert rate.target_bps == 1_000_000
    rate.on_packets_lost(0, 1, 4 * S)
    assert rate.target_bps < 600_000


def test_half_of_the_packets_lost_starves_v1_down_to_its_minimum() -> None:
    rate = _rate()
    for second in range(3, 40):
        rate.on_packets_lost(50, 100, second * S)
    assert rate.target_bps == 10_000


def test_late_packets_may_outnumber_the_lost() -> None:
    rate = _rate()
    rate.on_packets_lost(-30, 40, 3 * S)
    assert rate.fraction_loss_q8 == 0
