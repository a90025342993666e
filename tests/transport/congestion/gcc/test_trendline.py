"""The slope of the smoothed delay over twenty groups."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc.trendline import WINDOW, Trendline, regression_slope


def test_no_slope_before_the_window_is_full() -> None:
    trendline = Trendline()
    slopes = [trendline.update(22, 20, 22 * i) for i in range(WINDOW)]
    assert slopes[:-1] == [0.0] * (WINDOW - 1)
    assert slopes[-1] == pytest.approx(0.059121, abs=1e-6)


def test_growing_delay_has_a_positive_slope_and_shrinking_a_negative_one() -> None:
    growing, shrinking = Trendline(), Trendline()
    for i in range(60):
        growing.update(21, 20, 21 * i)
        shrinking.update(19, 20, 19 * i)
    assert growing.slope == pytest.approx(1 / 21, rel=0.05)
    assert shrinking.slope == pytest.approx(-1 / 19, rel=0.05)


def test_slope_is_kept_when_all_arrivals_coincide() -> None:
    trendline = Trendline()
    for i in range(WINDOW):
        trendline.update(21, 20, 21.0 * i)
    before = trendline.slope
    for _ in range(WINDOW):
        trendline.update(0, 0, 21.0 * WINDOW)
    assert trendline.slope != 0
    assert before > 0


def test_regression_slope() -> None:
    assert regression_slope([0, 1, 2, 3], [1, 3, 5, 7]) == pytest.approx(2)
    assert regression_slope([0, 1, 2], [1, 0, 1]) == pytest.approx(0)
    assert regression_slope([5, 5], [1, 2]) is None
