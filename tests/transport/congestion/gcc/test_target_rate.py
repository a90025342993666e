"""Delay-based rate, loss control, round-trip back-off and limits together."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc.target_rate import LOSS_CONTROLS, TargetRate
from grace_transport.congestion.rtt import RttBackoff

S = 1_000_000


@pytest.mark.parametrize("loss_control", LOSS_CONTROLS)
def test_never_above_the_delay_based_rate_or_outside_the_limits(loss_control: str) -> None:
    rate = TargetRate(500_000, 100_000, 2_000_000, loss_control=loss_control)
    rate.on_delay_based(300_000)
    assert rate.target_bps == 300_000
    rate.on_delay_based(1_000)
    assert rate.target_bps == 100_000
    rate.set_rate(9_000_000)
    assert rate.target_bps == 2_000_000


@pytest.mark.parametrize("loss_control", LOSS_CONTROLS)
def test_start_phase_takes_a_probe_result_at_face_value(loss_control: str) -> None:
    rate = TargetRate(300_000, 30_000, 3_000_000, loss_control=loss_control)
    rate.on_packets_lost(0, 10, 0)
    rate.on_delay_based(1_700_000)
    rate.update(1 * S)
    assert rate.target_bps == 1_700_000


def test_without_loss_control_the_delay_based_rate_is_the_target_whatever_is_lost() -> None:
    rate = TargetRate(300_000, 30_000, 3_000_000, loss_control="off")
    rate.on_delay_based(1_000_000)
    rate.on_packets_lost(80, 100, 10 * S)
    rate.update(11 * S)
    assert rate.target_bps == 1_000_000


@pytest.mark.parametrize("loss_control", LOSS_CONTROLS)
def test_absurd_round_trip_takes_a_fifth_off_per_second_down_to_the_floor(loss_control: str) -> None:
    backoff = RttBackoff(limit_us=2 * S, floor_bps=50_000)
    rate = TargetRate(100_000, 30_000, 3_000_000, loss_control=loss_control, backoff=backoff)
    rate.on_rtt(100_000, 2 * S + 1)
    rate.update(0)
    assert rate.target_bps == 80_000
    rate.update(S // 2)
    assert rate.target_bps == 80_000
    for second in range(1, 10):
        rate.update(second * S)
    assert rate.target_bps == 50_000
    rate.on_rtt(100_000, 100_000)
    assert not rate.rtt_is_absurd


def test_receiver_estimate_caps() -> None:
    rate = TargetRate(500_000, 30_000, 3_000_000)
    rate.on_receiver_estimate(200_000)
    assert rate.target_bps == 200_000


def test_caller_bugs_are_value_errors() -> None:
    with pytest.raises(ValueError, match="use one of v1, v2, tolerant, off"):
        TargetRate(300_000, loss_control="v3")
    with pytest.raises(ValueError, match="min_bps <= max_bps"):
        TargetRate(300_000, 500_000, 400_000)
