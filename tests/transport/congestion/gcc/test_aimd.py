"""Additive or multiplicative increase, multiplicative decrease."""

from __future__ import annotations

from typing import Any

import pytest
from tests.vectors import Case, cases, in_dialect, load

from grace_transport.congestion.gcc.aimd import NEXT_STATE, Aimd, RateState
from grace_transport.congestion.gcc.overuse import Usage

S = 1_000_000
DIALECTS = {"no_subtract": "0", "subtract_5kbps": "5000"}  # newer libwebrtc: .85 acked - 5 kbps


def cases_by_dialect() -> list[Any]:
    """Each case with the dialect it is stated for, or with both."""
    return [
        pytest.param(case.values[0], dialect, id=f"{case.id}-{dialect}")
        for case in cases("gcc", "aimd", "cases")
        for dialect in DIALECTS
        if case.values[0]["dialect"] in (dialect, "both")
    ]


@pytest.mark.parametrize(("case", "dialect"), cases_by_dialect())
def test_the_estimate_moves_as_in_the_vectors(case: Case, dialect: str) -> None:
    options: dict[str, bool] = case.get("options", {})
    start = [op["bitrate_bps"] for op in case["ops"] if op["op"] == "start"]
    aimd = Aimd(*start, subtract_bps=int(DIALECTS[dialect]), **options)
    updates = 0
    for op in case["ops"]:
        updates += _apply(aimd, op)
        if op["op"] == "expect":
            _check(aimd, op, updates, DIALECTS[dialect])


def _apply(aimd: Aimd, op: Case) -> int:
    """Returns how many updates it made: each may round by 1 bps."""
    match op["op"]:
        case "set_estimate":
            aimd.set_estimate(op["bitrate_bps"], op["at_ms"] * 1_000)
        case "set_rtt":
            aimd.rtt_us = op["rtt_ms"] * 1_000
        case "set_alr":
            aimd.in_alr = op["in_alr"]
        case "update" | "repeat_update":
            count = op.get("count", 1)
            for i in range(count):
                at_us = (op["at_ms"] + i * op.get("every_ms", 0)) * 1_000
                aimd.update(Usage(op["usage"]), op["acked_bps"], at_us)
            return int(count)
    return 0


def _check(aimd: Aimd, op: Case, updates: int, subtraction: str) -> None:
    rate_bps: Any = aimd.rate_bps
    if "estimate_bps" in op:
        expected = in_dialect(op["estimate_bps"], subtraction)
        assert rate_bps == pytest.approx(expected, abs=op.get("tolerance_bps", 0) or min(updates, 1))
    assert rate_bps is None or op.get("estimate_min_bps", 0) <= rate_bps <= op.get("estimate_max_bps", 1e12)
    if "near_max_increase_bps_per_s" in op:
        tolerance = op.get("tolerance_bps_per_s", 1)
        assert aimd.near_max_increase_bps_per_s() == pytest.approx(op["near_max_increase_bps_per_s"], abs=tolerance)


def test_state_transition_vectors() -> None:
    for state, signal, after in load("gcc", "aimd", "state_transitions", "rows"):
        assert NEXT_STATE[RateState(state), Usage(signal)] is RateState(after)


def test_every_state_answers_every_signal() -> None:
    assert set(NEXT_STATE) == {(state, usage) for state in RateState for usage in Usage}


def test_eight_percent_a_second_while_the_capacity_is_unknown() -> None:
    aimd = Aimd(300_000)
    aimd.update(Usage.NORMAL, 1_000_000, 0)
    assert aimd.update(Usage.NORMAL, 1_000_000, 1 * S) == pytest.approx(301_000 * 1.08, abs=1)


def test_never_above_one_and_a_half_times_what_arrives() -> None:
    aimd = Aimd(300_000)
    for second in range(20):
        aimd.update(Usage.NORMAL, 250_000, second * S)
    assert aimd.rate_bps == 1.5 * 250_000 + 10_000


def test_overuse_goes_to_85_percent_of_what_arrives_less_5_kbps() -> None:
    aimd = Aimd(1_000_000)
    assert aimd.update(Usage.OVERUSE, 800_000, 0) == 0.85 * 800_000 - 5_000


def test_overuse_never_raises_the_rate() -> None:
    aimd = Aimd(200_000)
    assert aimd.update(Usage.OVERUSE, 400_000, 0) == 200_000


def test_after_overuse_the_increase_is_additive() -> None:
    aimd = Aimd(300_000)
    aimd.update(Usage.OVERUSE, 300_000, 0)
    aimd.update(Usage.NORMAL, 300_000, 100_000)
    before = aimd.rate_bps
    aimd.update(Usage.NORMAL, 300_000, 1_100_000)
    assert before == 250_000
    assert aimd.rate_bps == pytest.approx(250_000 + aimd.near_max_increase_bps_per_s(), rel=0.01)


def test_underuse_holds() -> None:
    aimd = Aimd(300_000)
    assert aimd.update(Usage.UNDERUSE, 300_000, 10 * S) == 300_000


def test_without_a_start_rate_five_seconds_of_throughput_give_one() -> None:
    aimd = Aimd()
    assert aimd.update(Usage.NORMAL, 100_000, 0) is None
    assert aimd.update(Usage.NORMAL, 120_000, 5 * S) is None
    assert (aimd.update(Usage.NORMAL, 120_000, 5 * S + 1) or 0) >= 120_000


def test_reductions_are_a_round_trip_apart_unless_half_is_lost() -> None:
    aimd = Aimd(1_000_000)
    aimd.rtt_us = 100_000
    aimd.update(Usage.OVERUSE, 900_000, 0)
    assert not aimd.may_reduce(700_000, 99_999)
    assert aimd.may_reduce(700_000, 100_000)
    assert aimd.may_reduce(100_000, 1)


def test_rate_never_falls_below_five_kbps() -> None:
    aimd = Aimd(100_000)
    for step in range(50):
        aimd.update(Usage.OVERUSE, 0, step * S)
    assert aimd.rate_bps == 5_000
