"""Adaptive threshold and detector."""

from __future__ import annotations

import pytest
from tests.vectors import Case, cases

from grace_transport.congestion.gcc.overuse import AdaptiveThreshold, OveruseDetector, Usage
from grace_transport.congestion.gcc.trendline import Trendline


@pytest.mark.parametrize("case", cases("gcc", "trendline", "threshold_cases"))
def test_threshold_vectors(case: Case) -> None:
    threshold = AdaptiveThreshold()
    expected = case["expected_threshold_ms"]
    for trend, at_ms, value_ms in zip(case["modified_trend"], case["time_ms"], expected, strict=True):
        threshold.update(trend, at_ms)
        assert threshold.value_ms == pytest.approx(value_ms, abs=1e-6)


@pytest.mark.parametrize("case", cases("gcc", "trendline", "cases"))
def test_detector_vectors(case: Case) -> None:
    trendline, detector = Trendline(), OveruseDetector()
    states = []
    for index, update in enumerate(case["updates"]):
        arrival_ms = update["arrival_time_ms"]
        slope = trendline.update(update["recv_delta_ms"], update["send_delta_ms"], arrival_ms)
        usage = detector.update(slope, update["send_delta_ms"], trendline.deltas, update.get("now_ms", arrival_ms))
        states.append(usage.value)
        if "derived" in case:
            assert slope == pytest.approx(case["derived"]["trend"][index], abs=1e-6)
            assert detector.modified_trend == pytest.approx(case["derived"]["modified_trend"][index], abs=1e-6)
            assert detector.threshold.value_ms == pytest.approx(case["derived"]["threshold_ms"][index], abs=1e-6)
    expected = case["expected"]
    for number, state in expected.get("states_after", {}).items():
        assert states[int(number) - 1] == state
    if "derived" in case:
        assert states == case["derived"]["states"]
        assert states[-1] == expected["final_state"]
        changes = sum(a != b for a, b in zip([expected["initial_state"], *states], states, strict=False))
        assert changes == expected["state_changes"]


def _run(detector: OveruseDetector, *trends: float) -> list[Usage]:
    return [detector.update(trend, 8.0, 60, 10.0 * i) for i, trend in enumerate(trends)]


def test_first_delta_says_nothing() -> None:
    assert OveruseDetector().update(9.9, 20, 1, 0) is Usage.NORMAL


def test_overuse_needs_more_than_ten_ms_over_the_threshold() -> None:
    """Half of the first 8 ms, then 8 more: over on the second group, overuse on the second."""
    assert _run(OveruseDetector(), 0.1, 0.1)[-1] is Usage.OVERUSE
    assert OveruseDetector().update(0.1, 30.0, 60, 0) is Usage.NORMAL  # one group is never enough


def test_falling_trend_is_no_overuse() -> None:
    assert _run(OveruseDetector(), 0.10, 0.09, 0.08, 0.07)[-1] is Usage.NORMAL


def test_trend_below_the_negative_threshold_is_underuse_at_once() -> None:
    assert _run(OveruseDetector(), -0.1) == [Usage.UNDERUSE]


def test_normal_trend_starts_the_time_over_afresh() -> None:
    assert _run(OveruseDetector(), 0.06, 0.0, 0.06)[-1] is Usage.NORMAL


def test_threshold_falls_faster_than_it_rises() -> None:
    falling, rising = AdaptiveThreshold(), AdaptiveThreshold()
    for at_ms in (0, 10):
        falling.update(12.5 - 5, at_ms)
        rising.update(12.5 + 5, at_ms)
    assert 12.5 - falling.value_ms == pytest.approx(5 * 10 * 0.039)
    assert rising.value_ms - 12.5 == pytest.approx(5 * 10 * 0.0087)


def test_clock_that_runs_backwards_does_not_move_the_threshold() -> None:
    threshold = AdaptiveThreshold()
    threshold.update(20, 1_000)
    threshold.update(20, -1_000_000)
    assert threshold.value_ms == 12.5
