"""The laws of adaptation: bounds, order, no oscillation under constant load, quick down and slow up."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_sender.live.adaptation import (
    ENCODER_TOO_SLOW,
    Adaptation,
    Limits,
    OperatingPoint,
    OperatingPointChanged,
    ladder,
)

HD = OperatingPoint(1280, 720, 30.0)
TALK = OperatingPoint(640, 360, 25.0)
S = 1_000_000

sources = st.builds(
    OperatingPoint,
    st.integers(64, 4096),
    st.integers(64, 2304),
    st.sampled_from([5.0, 10.0, 12.5, 15.0, 24.0, 25.0, 29.97, 30.0, 60.0]),
)


def run(
    adaptation: Adaptation, cost_us: Callable[[OperatingPoint], float], seconds: float, start_us: int = 0
) -> list[OperatingPointChanged]:
    """A camera at the point's rate and an encoder that needs `cost_us`; what comes while it is busy is skipped."""
    changes: list[OperatingPointChanged] = []
    now_us, free_us = start_us, start_us
    while now_us < start_us + seconds * S:
        if free_us > now_us:
            adaptation.on_skipped(ENCODER_TOO_SLOW, now_us)
        else:
            took_us = round(cost_us(adaptation.point))
            free_us = now_us + took_us
            adaptation.on_encoded(took_us, free_us)
        while (event := adaptation.next_event()) is not None:
            changes.append(event)
        now_us += adaptation.point.interval_us
    return changes


def per_pixel(us: float) -> Callable[[OperatingPoint], float]:
    return lambda point: us * point.pixels


# -- the ladder ------------------------------------------------------------------------------------------------------


def test_ladder_of_a_talk_gives_up_rate_first_then_size() -> None:
    assert [str(point) for point in ladder(TALK)] == [
        "640x360 at 25 fps",
        "640x360 at 20 fps",
        "640x360 at 15 fps",
        "480x270 at 15 fps",
        "480x270 at 12.5 fps",
        "320x180 at 12.5 fps",
        "320x180 at 10 fps",
        "238x134 at 10 fps",
        "238x134 at 7.5 fps",
        "238x134 at 5 fps",
    ]


@given(sources)
def test_ladder_needs_less_with_every_rung_and_keeps_bounds_and_shape(source: OperatingPoint) -> None:
    try:
        points = ladder(source)
    except ValueError:
        assert min(source.width * 1080 / source.height, source.height * 1920 / source.width) < 66
        return
    loads = [point.pixels * point.fps for point in points]
    assert loads == sorted(loads, reverse=True)
    assert len(set(loads)) == len(loads)
    for point in points:
        assert point.width % 2 == 0 == point.height % 2
        assert 64 <= point.width <= min(1920, source.width)
        assert 64 <= point.height <= min(1080, source.height)
        assert 5 <= point.fps <= source.fps
        assert point.width * source.height == pytest.approx(point.height * source.width, rel=0.04)


def test_too_small_a_picture_has_no_ladder() -> None:
    with pytest.raises(ValueError, match="both sides must be 64 px or more"):
        ladder(OperatingPoint(62, 360, 25))


def test_limits_end_the_ladder() -> None:
    last = ladder(TALK, Limits(min_side_px=200, min_fps=12.5))[-1]
    assert (last.width, last.height, last.fps) == (480, 270, 12.5)


# -- the start -------------------------------------------------------------------------------------------------------


def test_start_takes_the_best_point_that_leaves_room_and_says_so() -> None:
    adaptation = Adaptation(TALK)
    point = adaptation.start(90_000, 640 * 360, 0)  # 90 ms: 15 fps would take more than 70 % of the time
    assert str(point) == "480x270 at 12.5 fps"
    event = adaptation.next_event()
    assert event is not None
    assert event.reason == ("encoder needs about 90 ms of 40 ms per frame of 640x360 at 25 fps: 480x270 at 12.5 fps")
    assert adaptation.next_event() is None


def test_fast_machine_starts_at_the_source() -> None:
    assert Adaptation(HD).start(2_000, 1280 * 720, 0) == HD


def test_hopeless_machine_starts_at_the_last_point() -> None:
    adaptation = Adaptation(HD)
    assert adaptation.start(10 * S, 1280 * 720, 0) == adaptation.points[-1]


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_start_is_monotone_in_load(one_us: int, other_us: int) -> None:
    quick, slow = sorted((one_us, other_us))
    points = [Adaptation(HD).start(us, 1280 * 720, 0) for us in (quick, slow)]
    assert points[0].pixels * points[0].fps >= points[1].pixels * points[1].fps


def test_slow_first_frames_are_no_overload() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(20_000, 640 * 360, 0)
    for n in range(50):
        adaptation.on_encoded(90_000 if n < 8 else 20_000, n * 40_000)
    assert adaptation.point == TALK


# -- down ------------------------------------------------------------------------------------------------------------


def test_overload_lowers_the_point_within_a_second_and_says_why() -> None:
    adaptation = Adaptation(OperatingPoint(640, 360, 15.0))
    changes = run(adaptation, per_pixel(82_000 / 230_400), 2)
    assert changes[0].at_us < S
    assert changes[0].reason == "encoder needs 82 ms of 67 ms per frame: 480x270 at 15 fps"
    assert len(changes) == 1


def test_nearly_overloaded_encoder_is_overload_too() -> None:
    changes = run(Adaptation(TALK), per_pixel(36_000 / 230_400), 2)
    assert [str(change.point) for change in changes] == ["640x360 at 15 fps"]


def test_one_slow_frame_is_no_overload() -> None:
    adaptation = Adaptation(TALK)
    for n in range(100):
        adaptation.on_encoded(200_000 if n == 50 else 20_000, n * 40_000)
    assert adaptation.point == TALK


def test_skips_of_a_busy_encoder_lower_the_point() -> None:
    adaptation = Adaptation(TALK)
    for n in range(20):
        adaptation.on_encoded(10_000, n * 80_000)
        adaptation.on_skipped(ENCODER_TOO_SLOW, n * 80_000 + 40_000)
    assert adaptation.point != TALK
    event = adaptation.next_event()
    assert event is not None
    assert "frames came while the encoder was busy: 640x360 at 20 fps" in event.reason


def test_skips_of_the_network_say_nothing_about_the_machine() -> None:
    adaptation = Adaptation(TALK)
    for n in range(100):
        adaptation.on_skipped("send queue too long", n * 40_000)
    assert adaptation.point == TALK


def test_frames_of_the_old_size_do_not_count_after_a_change() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(90_000, 640 * 360, 0)
    before = adaptation.point
    for n in range(2):
        adaptation.on_encoded(500_000, n * 40_000)
    assert adaptation.point == before


def test_nothing_below_the_last_point() -> None:
    adaptation = Adaptation(TALK)
    run(adaptation, lambda _: 3 * S, 600)
    assert adaptation.point == adaptation.points[-1]
    assert run(adaptation, lambda _: 3 * S, 600, 600 * S) == []


# -- up --------------------------------------------------------------------------------------------------------------


def test_load_that_ends_lets_it_climb_back_rung_by_rung() -> None:
    adaptation = Adaptation(TALK)
    run(adaptation, per_pixel(0.5), 5)
    low = adaptation.points.index(adaptation.point)
    assert low > 3
    changes = run(adaptation, per_pixel(0.02), 600, 5 * S)
    assert adaptation.point == TALK
    assert len(changes) == low
    gaps = [b.at_us - a.at_us for a, b in pairwise(changes)]
    assert min(gaps) >= 10 * S
    assert changes[0].reason.startswith("encoder needs only ")


def test_failed_try_goes_back_where_it_was_good_and_waits_twice_as_long() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(60_000, 640 * 360, 0)
    good = adaptation.point
    cliff = lambda point: 20_000 if point.pixels * point.fps <= good.pixels * good.fps else 200_000  # noqa: E731
    changes = [change for change in run(adaptation, cliff, 300) if change.at_us]
    assert [change.point == good for change in changes[:6]] == [False, True, False, True, False, True]
    tries = [change.at_us for change in changes if change.point != good]
    waits = [b - a for a, b in pairwise(tries)]
    assert all(b > 1.8 * a for a, b in pairwise(waits))


@settings(max_examples=25, deadline=None)
@given(sources.filter(lambda s: s.width > 100 and s.height > 100), st.floats(1e-3, 10.0), st.floats(1e-3, 10.0))
def test_constant_load_is_never_answered_with_oscillation(
    source: OperatingPoint, us_per_pixel: float, guess: float
) -> None:
    """Whatever it started with: where cost follows the pixels, it never turns round."""
    try:
        adaptation = Adaptation(source)
    except ValueError:
        return
    adaptation.start(round(guess * source.pixels), source.pixels, 0)
    run(adaptation, per_pixel(us_per_pixel), 0.1)
    run(adaptation, per_pixel(us_per_pixel), 30, S)
    settled = adaptation.points.index(adaptation.point)
    rungs = [adaptation.points.index(c.point) for c in run(adaptation, per_pixel(us_per_pixel), 240, 31 * S)]
    path = [settled, *rungs]
    assert path == sorted(path, reverse=True) or path == sorted(path)


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 80_000), st.floats(0.01, 1.0))
def test_tries_that_fail_become_rare_under_any_constant_load(fixed_us: float, us_per_pixel: float) -> None:
    adaptation = Adaptation(TALK)
    cost = lambda point: fixed_us + us_per_pixel * point.pixels  # noqa: E731
    run(adaptation, cost, 60)
    changes = run(adaptation, cost, 900, 60 * S)
    rungs = [adaptation.points.index(change.point) for change in changes]
    downs = sum(b > a for a, b in pairwise(rungs))
    assert downs <= 7  # 10 s, 20 s, 40 s ... in a quarter of an hour


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["encoded", "skipped", "bitrate"]), st.integers(0, 10**7), st.integers(0, 10**6)),
        max_size=400,
    )
)
def test_any_history_stays_on_the_ladder_and_every_change_is_told(history: list[tuple[str, int, int]]) -> None:
    adaptation = Adaptation(HD)
    now_us, told = 0, adaptation.point
    for what, value, gap_us in history:
        now_us += gap_us
        before = adaptation.point
        if what == "encoded":
            adaptation.on_encoded(value, now_us)
        elif what == "skipped":
            adaptation.on_skipped(ENCODER_TOO_SLOW, now_us)
        else:
            adaptation.on_bitrate(value, now_us)
        while (event := adaptation.next_event()) is not None:
            told = event.point
            assert str(event.point) in event.reason
        assert adaptation.point in adaptation.points
        assert told == adaptation.point
        assert abs(adaptation.points.index(before) - adaptation.points.index(adaptation.point)) < 20


# -- bitrate ---------------------------------------------------------------------------------------------------------


def test_bitrate_that_stays_low_makes_the_picture_smaller() -> None:
    adaptation = Adaptation(TALK)
    adaptation.on_bitrate(40_000, 0)
    assert adaptation.point == TALK
    adaptation.on_bitrate(40_000, 3_000_000)
    assert str(adaptation.point) == "480x270 at 15 fps"
    event = adaptation.next_event()
    assert event is not None
    assert event.reason == "40 kbit/s are too few for 640x360 at 25 fps: 480x270 at 15 fps"


def test_short_dip_of_the_bitrate_changes_nothing() -> None:
    adaptation = Adaptation(TALK)
    for second in range(20):
        adaptation.on_bitrate(20_000 if second % 3 else 400_000, second * S)
    assert adaptation.point == TALK


def test_constant_bitrate_never_oscillates() -> None:
    adaptation = Adaptation(TALK)
    points = []
    for n in range(25 * 300):
        if n % 10 == 0:
            adaptation.on_bitrate(60_000, n * 40_000)
        adaptation.on_encoded(1_000, n * 40_000)
        points.append(adaptation.point)
    changes = [b for a, b in pairwise(points) if a != b]
    assert len(changes) == 1
