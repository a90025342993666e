"""The laws of adaptation: bounds, order, no oscillation under constant load or bitrate, busy moments, recovery.

Encoders have a stated cost and time is an argument: no real time passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_sender.events import SkipReason
from grace_sender.live.adaptation import (
    Adaptation,
    EncoderSpeed,
    Limits,
    OperatingPoint,
    OperatingPointChanged,
    ladder,
)

HD = OperatingPoint(1280, 720, 30.0)
TALK = OperatingPoint(640, 360, 25.0)
TALK_NEEDS_BPS = 86_400  # 0.025 bit per pixel of 640x360 at 15 fps, the lowest frame rate of that size
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
            adaptation.on_skipped(SkipReason.ENCODER_TOO_SLOW, now_us)
        else:
            took_us = round(cost_us(adaptation.point))
            free_us = now_us + took_us
            adaptation.on_encoded(took_us, free_us)
        while (event := adaptation.next_event()) is not None:
            changes.append(event)
        now_us += adaptation.point.interval_us
    return changes


def costs(us: Sequence[int]) -> Callable[[OperatingPoint], float]:
    """An encoder that takes these times, one after the other, and then the last one for ever."""
    left = list(us)
    return lambda point: left.pop(0) if len(left) > 1 else left[0]


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


def test_too_small_a_frame_has_no_ladder() -> None:
    with pytest.raises(ValueError, match="both sides must be 64 px or more"):
        ladder(OperatingPoint(62, 360, 25))


def test_limits_end_the_ladder() -> None:
    last = ladder(TALK, Limits(min_side_px=200, min_fps=12.5))[-1]
    assert (last.width, last.height, last.fps) == (480, 270, 12.5)


# -- the start -------------------------------------------------------------------------------------------------------


def test_start_takes_the_best_point_that_leaves_room_and_says_so() -> None:
    adaptation = Adaptation(TALK)
    point = adaptation.start(EncoderSpeed(90_000, 640 * 360), 0)  # 90 ms: 15 fps would take more than 70 % of the time
    assert str(point) == "480x270 at 12.5 fps"
    event = adaptation.next_event()
    assert event is not None
    assert event.reason == ("encoder needs about 90 ms of 40 ms per frame of 640x360 at 25 fps: 480x270 at 12.5 fps")
    assert adaptation.next_event() is None


def test_fast_machine_starts_at_the_source() -> None:
    assert Adaptation(HD).start(EncoderSpeed(2_000, 1280 * 720), 0) == HD


def test_hopeless_machine_starts_at_the_last_point() -> None:
    adaptation = Adaptation(HD)
    assert adaptation.start(EncoderSpeed(10 * S, 1280 * 720), 0) == adaptation.points[-1]


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_start_is_monotone_in_load(one_us: int, other_us: int) -> None:
    quick, slow = sorted((one_us, other_us))
    points = [Adaptation(HD).start(EncoderSpeed(us, 1280 * 720), 0) for us in (quick, slow)]
    assert points[0].pixels * points[0].fps >= points[1].pixels * points[1].fps


def test_slow_first_frames_are_no_overload() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(EncoderSpeed(20_000, 640 * 360), 0)
    for n in range(50):
        adaptation.on_encoded(90_000 if n < 8 else 20_000, n * 40_000)
    assert adaptation.point == TALK


# -- down ------------------------------------------------------------------------------------------------------------


def test_sustained_overload_lowers_the_point_within_two_seconds_and_says_why() -> None:
    adaptation = Adaptation(OperatingPoint(640, 360, 15.0))
    changes = run(adaptation, per_pixel(60_000 / 230_400), 4)
    assert changes[0].at_us < 2 * S
    assert changes[0].reason == "encoder needs 60 ms of 67 ms per frame: 480x270 at 15 fps"
    assert len(changes) == 1


def test_nearly_overloaded_encoder_is_overload_too() -> None:
    changes = run(Adaptation(TALK), per_pixel(36_000 / 230_400), 3)
    assert [str(change.point) for change in changes] == ["640x360 at 15 fps"]


def test_hopeless_overload_is_answered_within_two_seconds_too() -> None:
    changes = run(Adaptation(TALK), lambda _: 500_000, 3)
    assert changes[0].at_us <= 2 * S


@pytest.mark.parametrize("slow_us", [41_000, 100_000, 250_000])
@pytest.mark.parametrize("after", [0, 10, 100])
def test_burst_of_three_slow_frames_is_a_busy_moment_and_no_overload(slow_us: int, after: int) -> None:
    adaptation = Adaptation(TALK)
    assert run(adaptation, costs([20_000] * after + [slow_us] * 3 + [20_000]), 20) == []


def test_burst_of_slow_frames_after_a_change_is_no_overload() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(EncoderSpeed(60_000, 640 * 360), 0)
    before = adaptation.point
    run(adaptation, costs([200_000] * 3 + [5_000]), 2)
    assert adaptation.point == before


def test_skips_of_a_busy_encoder_lower_the_point() -> None:
    adaptation = Adaptation(TALK)
    for n in range(25):
        adaptation.on_encoded(10_000, n * 80_000)
        adaptation.on_skipped(SkipReason.ENCODER_TOO_SLOW, n * 80_000 + 40_000)
    assert adaptation.point != TALK
    event = adaptation.next_event()
    assert event is not None
    assert "frames came while the encoder was busy: 640x360 at 20 fps" in event.reason


def test_skips_of_the_network_say_nothing_about_the_machine() -> None:
    adaptation = Adaptation(TALK)
    for n in range(100):
        adaptation.on_skipped(SkipReason.SEND_QUEUE, n * 40_000)
    assert adaptation.point == TALK


def test_frames_of_the_old_size_do_not_count_after_a_change() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(EncoderSpeed(90_000, 640 * 360), 0)
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


def test_load_that_ends_lets_it_return_within_five_seconds() -> None:
    adaptation = Adaptation(TALK)
    run(adaptation, per_pixel(0.5), 8)
    assert adaptation.points.index(adaptation.point) > 3
    changes = run(adaptation, per_pixel(0.02), 5, 8 * S)
    assert adaptation.point == TALK
    assert [change.point for change in changes] == [TALK]
    assert changes[0].reason.startswith("encoder needs only ")


def test_it_returns_as_far_as_there_is_room() -> None:
    adaptation = Adaptation(TALK)
    run(adaptation, per_pixel(0.5), 8)
    run(adaptation, per_pixel(0.15), 5, 8 * S)  # 35 ms for a frame of 640x360: too much at 25 fps
    assert str(adaptation.point) == "640x360 at 15 fps"


def test_failed_try_goes_back_where_it_was_good_and_waits_twice_as_long() -> None:
    adaptation = Adaptation(TALK)
    adaptation.start(EncoderSpeed(60_000, 640 * 360), 0)
    good = adaptation.point
    cliff = lambda point: 20_000 if point.pixels * point.fps <= good.pixels * good.fps else 200_000  # noqa: E731
    changes = [change for change in run(adaptation, cliff, 300) if change.at_us]
    assert [change.point == good for change in changes[:6]] == [False, True, False, True, False, True]
    waits = [b.at_us - a.at_us for a, b in pairwise(changes) if a.point == good]
    assert waits[0] == pytest.approx(6 * S, rel=0.1)  # the first one was 3 s
    assert all(b == pytest.approx(2 * a, rel=0.1) for a, b in pairwise(waits))


@settings(max_examples=25)
@given(sources.filter(lambda s: s.width > 100 and s.height > 100), st.floats(1e-3, 10.0), st.floats(1e-3, 10.0))
def test_constant_load_is_never_answered_with_oscillation(
    source: OperatingPoint, us_per_pixel: float, guess: float
) -> None:
    """Whatever it started with: where cost follows the pixels, it never turns round."""
    try:
        adaptation = Adaptation(source)
    except ValueError:
        return
    adaptation.start(EncoderSpeed(round(guess * source.pixels), source.pixels), 0)
    run(adaptation, per_pixel(us_per_pixel), 0.1)
    run(adaptation, per_pixel(us_per_pixel), 30, S)
    settled = adaptation.points.index(adaptation.point)
    rungs = [adaptation.points.index(c.point) for c in run(adaptation, per_pixel(us_per_pixel), 240, 31 * S)]
    path = [settled, *rungs]
    assert path == sorted(path, reverse=True) or path == sorted(path)


@settings(max_examples=12)
@given(st.floats(0, 80_000), st.floats(0.01, 1.0))
def test_tries_that_fail_become_rare_under_any_constant_load(fixed_us: float, us_per_pixel: float) -> None:
    adaptation = Adaptation(TALK)
    cost = lambda point: fixed_us + us_per_pixel * point.pixels  # noqa: E731
    run(adaptation, cost, 60)
    changes = run(adaptation, cost, 900, 60 * S)
    rungs = [adaptation.points.index(change.point) for change in changes]
    downs = sum(b > a for a, b in pairwise(rungs))
    assert downs <= 9  # after 3 s, 6 s, 12 s ... in a quarter of an hour


@settings(max_examples=25)
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
            adaptation.on_skipped(SkipReason.ENCODER_TOO_SLOW, now_us)
        else:
            adaptation.on_bitrate(value, now_us)
        while (event := adaptation.next_event()) is not None:
            told = event.point
            assert str(event.point) in event.reason
        assert adaptation.point in adaptation.points
        assert told == adaptation.point
        assert abs(adaptation.points.index(before) - adaptation.points.index(adaptation.point)) < 20


# -- bitrate ---------------------------------------------------------------------------------------------------------


def call(
    adaptation: Adaptation, rate_bps: Callable[[float], float], seconds: float, start_us: int = 0
) -> list[OperatingPointChanged]:
    """Frames at the point's rate, encoded in no time; `rate_bps` says what the network gives at a second of the call,
    and is told with each frame."""
    changes: list[OperatingPointChanged] = []
    now_us = start_us
    while now_us < start_us + seconds * S:
        adaptation.on_encoded(1_000, now_us)
        adaptation.on_bitrate(round(rate_bps(now_us / S)), now_us)
        changes += iter(adaptation.next_event, None)
        now_us += adaptation.point.interval_us
    return changes


def constant(bps: float) -> Callable[[float], float]:
    return lambda _: bps


def settled(bps: float) -> Adaptation:
    """In a call whose first ten seconds had this rate."""
    adaptation = Adaptation(TALK)
    call(adaptation, constant(bps), 10)
    return adaptation


def sizes(start: OperatingPoint, changes: Sequence[OperatingPointChanged]) -> list[int]:
    """When the frame size changed, in microseconds."""
    points = [start, *(change.point for change in changes)]
    return [
        change.at_us
        for (before, _), change in zip(pairwise(points), changes, strict=True)
        if change.point.pixels != before.pixels
    ]


@settings(max_examples=50)
@given(st.integers(10_000, 2_000_000))
def test_rate_that_halves_in_one_step_is_answered_by_the_second_frame(bps: int) -> None:
    """Unless half of it gives the point 0.025 bit per pixel still, or there is no lower one."""
    adaptation = settled(bps)
    before = adaptation.point
    changes = call(adaptation, constant(bps / 2), 2 / before.fps, 11 * S)
    if bps / 2 < 0.025 * before.pixels * before.fps and before != adaptation.points[-1]:
        assert changes[0].at_us <= 11 * S + before.interval_us
        assert changes[0].point.pixels * changes[0].point.fps < before.pixels * before.fps
    else:
        assert changes == []


@pytest.mark.parametrize(
    ("bps", "answer"), [(280_000, "640x360 at 20 fps"), (200_000, "640x360 at 15 fps"), (144_000, "640x360 at 15 fps")]
)
def test_first_answer_to_a_rate_that_halves_is_a_lower_frame_rate(bps: int, answer: str) -> None:
    adaptation = settled(bps)
    [change] = call(adaptation, constant(bps / 2), 0.08, 11 * S)
    assert str(change.point) == answer
    assert change.reason == f"{bps / 2000:.0f} kbit/s are too few for 640x360 at 25 fps: {answer}"


# -- bitrate ---------------------------------------------------------------------------------------------------------


def test_lower_frame_rate_comes_first_and_a_smaller_frame_after_two_seconds_of_too_little() -> None:
    adaptation = settled(1_000_000)
    low_bps = 0.8 * TALK_NEEDS_BPS
    changes = call(adaptation, constant(low_bps), 5, 10 * S)
    first, second = changes
    assert str(first.point) == "640x360 at 15 fps"
    assert second.point.pixels < first.point.pixels
    assert 2 * S <= second.at_us - 10 * S <= 2.2 * S


def test_less_than_seventy_percent_of_what_the_size_needs_makes_the_frame_smaller_at_once() -> None:
    adaptation = settled(1_000_000)
    changes = call(adaptation, constant(0.65 * TALK_NEEDS_BPS), 0.1, 10 * S)
    assert [change.at_us for change in changes] == [10 * S]
    assert changes[0].point.pixels < TALK.pixels


def test_dip_of_one_and_a_half_seconds_costs_no_key_frame() -> None:
    adaptation = settled(1_000_000)
    dip_bps = 0.75 * TALK_NEEDS_BPS
    changes = call(adaptation, lambda s: dip_bps if 12 <= s < 13.5 else 1_000_000, 20, 10 * S)
    assert changes
    assert sizes(TALK, changes) == []
    assert adaptation.point == TALK


@pytest.mark.parametrize("low_bps", [10_000, 30_000, 60_000, 100_000])
@pytest.mark.parametrize("seconds", [1, 4, 20])
def test_it_recovers_within_ten_seconds_of_the_rates_return(low_bps: int, seconds: int) -> None:
    adaptation = settled(500_000)
    call(adaptation, constant(low_bps), seconds, 10 * S)
    assert adaptation.point != TALK
    changes = call(adaptation, constant(500_000), 10, (10 + seconds) * S)
    assert adaptation.point == TALK
    assert changes[-1].reason == "500 kbit/s are enough again: 640x360 at 25 fps"


def test_recovery_is_no_try_of_the_machine_that_could_fail() -> None:
    """The machine bore the point before; when it is overloaded after the recovery, the low point is not where it was
    last good."""
    adaptation = settled(500_000)
    call(adaptation, constant(30_000), 5, 10 * S)
    call(adaptation, constant(500_000), 8, 15 * S)
    assert adaptation.point == TALK
    [change] = run(adaptation, per_pixel(45_000 / 230_400), 3, 23 * S)
    assert change.point.pixels == TALK.pixels


@settings(max_examples=50)
@given(st.integers(1_000, 2_000_000), st.integers(1_000, 2_000_000))
def test_steady_bitrate_is_never_answered_with_a_turn_back(start_bps: int, bps: int) -> None:
    adaptation = settled(start_bps)
    before = adaptation.points.index(adaptation.point)
    path = [before, *(adaptation.points.index(c.point) for c in call(adaptation, constant(bps), 60, 10 * S))]
    assert path == sorted(path, reverse=True) or path == sorted(path)


@settings(max_examples=25)
@given(st.integers(10_000, 1_000_000), st.floats(0.1, 20))
def test_saw_teeth_of_congestion_control_are_never_answered_with_a_turn_back(bps: int, period_s: float) -> None:
    """It backs off to 85 %, and comes back in a straight line."""
    adaptation = Adaptation(TALK)
    changes = call(adaptation, lambda s: bps * (0.85 + 0.15 * (s % period_s) / period_s), 60)
    path = [adaptation.points.index(change.point) for change in changes]
    assert path == sorted(path)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(5_000, 1_000_000), st.floats(0.1, 10)), min_size=1, max_size=10))
def test_sizes_change_once_in_two_seconds_downwards_and_in_five_upwards(steps: list[tuple[int, float]]) -> None:
    """Unless the bitrate fell by more than half since the last change of size."""
    adaptation = Adaptation(TALK)
    resized_us, resized_bps, at_us = -10 * S, 10**9, 0
    for bps, seconds in steps:
        before = adaptation.point
        for change in call(adaptation, constant(bps), seconds, at_us):
            if change.point.pixels > before.pixels:
                assert change.at_us - resized_us >= 5 * S
            if change.point.pixels < before.pixels:
                assert change.at_us - resized_us >= 2 * S or bps < resized_bps / 2
            if change.point.pixels != before.pixels:
                resized_us, resized_bps = change.at_us, bps
            before = change.point
            assert change.point in adaptation.points
        at_us += round(seconds * S)
