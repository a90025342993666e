"""Laws of a live track's times: its rate, when its frames were captured, which are let through a gate."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_sender.live.frame_timing import LATEST_US, CaptureClock, FrameGate, SourceRate

DAY_US = 86_400_000_000  # what our clock may show


def rate_of(intervals_us: list[int], max_fps: float = 60) -> SourceRate:
    rate, now_us = SourceRate(max_fps), 1_000_000
    rate.on_frame(now_us)
    for interval_us in intervals_us:
        now_us += interval_us
        rate.on_frame(now_us)
    return rate


def test_rate_is_known_after_a_few_frames() -> None:
    assert not rate_of([40_000] * 3).known
    assert rate_of([40_000]).fps == 60  # the most that may be
    assert rate_of([40_000] * 2).fps == 25
    assert rate_of([40_000] * 4).known


def test_single_late_frames_and_pauses_do_not_count() -> None:
    assert rate_of([40_000, 200_000, 40_000, 3_000_000, 40_000, 40_000]).fps == 25


def test_rate_is_bounded() -> None:
    assert rate_of([1_000] * 20, max_fps=30).fps == 30
    assert rate_of([2_500_000] * 8).fps == 0.4
    assert rate_of([10_500_000] * 8).fps == 0.1


def times(own_us: list[int | None], now_us: list[int]) -> list[int]:
    clock = CaptureClock()
    return [clock.captured_us(own, now) for own, now in zip(own_us, now_us, strict=True)]


def test_late_arrivals_keep_the_intervals_of_the_track() -> None:
    late = [0, 3_000, 0, 90_000, 50_000, 10_000]
    own = [number * 40_000 for number in range(6)]
    assert times([*own], [DAY_US + at + by for at, by in zip(own, late, strict=True)]) == [DAY_US + at for at in own]


def test_a_track_on_our_clock_is_believed() -> None:
    assert times([DAY_US, DAY_US + 40_000], [DAY_US + 7_000, DAY_US + 41_000]) == [DAY_US, DAY_US + 40_000]


def test_frames_without_a_time_are_taken_now() -> None:
    assert times([None, None], [DAY_US, DAY_US + 5]) == [DAY_US, DAY_US + 5]


def test_pause_or_restart_begins_anew() -> None:
    begun = [0, 40_000, 80_000]
    now = [DAY_US, DAY_US + 40_000, DAY_US + 80_000 + LATEST_US + 1]
    assert times([*begun], now)[-1] == now[-1]
    assert times([80_000, 120_000, 0], [DAY_US, DAY_US + 40_000, DAY_US + 80_000])[-1] == DAY_US + 80_000


def test_a_track_that_counts_too_slowly_is_followed() -> None:
    own = [number * 20_000 for number in range(200)]  # says 50 fps, gives 25
    now = [DAY_US + number * 40_000 for number in range(200)]
    taken = times([*own], now)
    assert {after - before for before, after in pairwise(taken[20:])} == {40_000}


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(-(10**15), 10**15)), st.integers(1, 10**7)), max_size=60))
def test_times_always_go_forward_and_are_never_in_the_future(steps: list[tuple[int | None, int]]) -> None:
    clock, now_us, last_us = CaptureClock(), DAY_US, 0
    for own_us, step_us in steps:
        now_us += step_us
        captured_us = clock.captured_us(own_us, now_us)
        assert last_us < captured_us <= now_us
        last_us = captured_us


def admitted(gate: FrameGate, fps: float, count: int, jitter: list[int] | None = None) -> list[int]:
    times = [round(n * 1_000_000 / fps) + (jitter[n] if jitter else 0) for n in range(count)]
    return [n for n, at_us in enumerate(times) if gate.admits(at_us)]


def test_same_rate_lets_all_through() -> None:
    assert admitted(FrameGate(25), 25, 250) == list(range(250))


def test_half_the_rate_is_every_second_frame() -> None:
    assert admitted(FrameGate(12.5), 25, 10) == [0, 2, 4, 6, 8]


def test_frames_after_a_gap_are_let_through() -> None:
    gate = FrameGate(10)
    assert gate.admits(0)
    assert gate.admits(60_000_000)
    assert not gate.admits(60_020_000)
    assert gate.admits(60_100_000)


def test_clock_that_jumps_back_does_not_close_the_gate() -> None:
    gate = FrameGate(10)
    assert gate.admits(60_000_000)
    assert gate.admits(0)


def test_rate_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        FrameGate(0)


@given(st.floats(5, 60), st.floats(5, 60), st.lists(st.integers(-3_000, 3_000), min_size=300, max_size=300))
def test_average_is_the_lower_of_both_rates_whatever_the_jitter(
    camera: float, wanted: float, jitter: list[int]
) -> None:
    through = len(admitted(FrameGate(wanted), camera, 300, jitter))
    expected = 300 * min(1.0, wanted / camera)
    assert through <= expected + 2
    assert through >= expected * 0.98 - 2
