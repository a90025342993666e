"""Laws of rate control: the search finds the finest level that fits, the estimate follows what frames really took."""

from __future__ import annotations

import pytest

from grace_codec.grace.rate import FIXED_BYTES, MotionPrice, RateChoice, RateControl
from grace_codec.models.quantizer import NOT_RAISED, RaisedDeadZone
from grace_codec.types import Budget

LEVELS = 33

NORMAL = Budget(10_000, 1150)
HUGE = Budget(10_000, 10**6)


class Doubling:
    """A frame whose size doubles every four levels, from `base_bytes`; a dead zone that is 1 % wider saves 4 %."""

    def __init__(self, base_bytes: float = 20.0) -> None:
        self.base_bytes = base_bytes

    def bits(self, level: int, dead_zone: RaisedDeadZone = NOT_RAISED) -> float:
        saved = 4 * dead_zone.increase if level == dead_zone.level else 0.0
        return 8 * self.base_bytes * 2 ** (level / 4) * (1 - saved)


@pytest.mark.parametrize("last", [0, 16, 32])
@pytest.mark.parametrize("budget", [80, 300, 1500, 6000])
def test_the_search_finds_the_finest_level_that_fits(last: int, budget: int) -> None:
    control, frame = RateControl(LEVELS), Doubling()
    control.level = last
    finest = max(level for level in range(LEVELS) if control.estimate(frame, level, 0, NORMAL) <= budget)
    choice = control.search(frame, 0, budget, NORMAL)
    assert choice.level in (finest, finest + 1)
    if choice.level > finest:
        assert choice.dead_zone.level == choice.level
        raised = control.estimate(frame, choice.level, 0, NORMAL, choice.dead_zone)
        assert control.estimate(frame, finest, 0, NORMAL) < raised <= budget
    else:
        assert choice.dead_zone == NOT_RAISED


def test_a_budget_between_two_levels_takes_the_next_with_the_smallest_increase_that_fits() -> None:
    control, frame = RateControl(LEVELS), Doubling()
    for increase in (0.01, 0.02, 0.03):
        raised = RaisedDeadZone(21, increase)
        budget = control.estimate(frame, 21, 0, NORMAL, raised)
        assert control.search(frame, 0, budget, NORMAL) == RateChoice(21, raised)


def test_a_budget_below_every_level_gives_the_coarsest() -> None:
    assert RateControl(LEVELS).search(Doubling(), 0, 10, NORMAL) == RateChoice(0)


def test_a_budget_above_every_level_gives_the_finest() -> None:
    assert RateControl(LEVELS).search(Doubling(), 0, 10**6, NORMAL) == RateChoice(LEVELS - 1)


def test_the_estimate_counts_residual_motion_and_what_every_packet_costs() -> None:
    """0.9 of the ideal bytes, and 16 bytes for each of the two packets."""
    assert RateControl(LEVELS).estimate(Doubling(100), 0, 20, NORMAL) == pytest.approx(0.9 * 120 + 2 * 16)


def test_the_estimate_follows_what_frames_really_took() -> None:
    control, frame = RateControl(LEVELS), Doubling()
    before = control.estimate(frame, 16, 0, NORMAL)
    for _ in range(5):
        control.learn(control.estimate(frame, 16, 0, NORMAL), before * 1.3, 2)
    assert control.estimate(frame, 16, 0, NORMAL) == pytest.approx(before * 1.3, rel=0.05)


def test_one_frame_cannot_teach_an_absurd_ratio() -> None:
    control, frame = RateControl(LEVELS), Doubling(1000)
    control.learn(1000.0, 10**9, 2)
    assert control.estimate(frame, 0, 0, HUGE) == pytest.approx(3.0 * 1000 + 2 * FIXED_BYTES)
    control.learn(10**9, 1.0, 2)
    assert control.estimate(frame, 0, 0, HUGE) == pytest.approx(0.2 * 1000 + 2 * FIXED_BYTES)


def test_the_price_of_motion_follows_the_step_and_never_falls_below_half_a_sad_per_bit() -> None:
    price = MotionPrice()
    assert price.sad_per_bit(0.1) == 0.5
    assert price.sad_per_bit(10.0) == pytest.approx(16.0)
    assert price.sad_per_bit(20.0) == pytest.approx(32.0)


def test_the_price_of_motion_triples_where_a_frame_does_not_fit_and_decays_while_frames_fit() -> None:
    price = MotionPrice()
    price.rise()
    price.rise()
    assert price.sad_per_bit(10.0) == pytest.approx(144.0)
    price.decay()
    assert price.sad_per_bit(10.0) == pytest.approx(115.2)
    for _ in range(20):
        price.decay()
    assert price.sad_per_bit(10.0) == pytest.approx(16.0)


def test_the_price_of_motion_is_bounded_and_starvation_is_forgotten_within_a_second() -> None:
    price = MotionPrice()
    assert [price.rise() for _ in range(6)] == [True] * 4 + [False] * 2
    assert price.sad_per_bit(10.0) == pytest.approx(81 * 16.0)
    for _ in range(20):
        price.decay()
    assert price.sad_per_bit(10.0) == pytest.approx(16.0)
