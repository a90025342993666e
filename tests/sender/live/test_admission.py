"""Laws of admitting a track's frames: what a source begins with, thinning, and overload in the middle of a call."""

from __future__ import annotations

import pytest

from grace_sender.events import SkipReason
from grace_sender.live.adaptation import EncoderSpeed
from grace_sender.live.admission import Admitted, FrameAdmission

S = 1_000_000
TALK = (640, 360)
FAST = EncoderSpeed(5_000, 640 * 360)


def feed(
    admission: FrameAdmission, seconds: float, size: tuple[int, int] = TALK, fps: int = 25, start_us: int = 0
) -> list[Admitted]:
    count = round(seconds * fps)
    got = [admission.on_frame(size, None, start_us + n * S // fps) for n in range(count)]
    return [one for one in got if one is not None]


def reasons(admission: FrameAdmission) -> list[str]:
    return [event.reason for event in iter(admission.next_event, None)]


def test_source_begins_as_it_is_where_nothing_adapts() -> None:
    admission = FrameAdmission(30, adapt=False)
    admitted = feed(admission, 2)
    assert len(admitted) == 50
    assert {one.size for one in admitted} == {TALK}
    assert [one.fps for one in admitted] == [30.0, 30.0, *[25.0] * 48]  # the first frames show the rate
    assert reasons(admission) == ["as the source is: 640x360 at 30 fps"]


def test_frames_wait_for_a_calibration_and_then_begin_where_it_says() -> None:
    admission = FrameAdmission(30, adapt=True)
    assert not admission.calibration_wanted  # nothing is known of the source
    assert feed(admission, 2) == []
    assert admission.calibration_wanted
    admission.on_calibrated(EncoderSpeed(90_000, 640 * 360))
    assert not admission.calibration_wanted
    admitted = feed(admission, 2, start_us=2 * S)
    assert {one.size for one in admitted} == {(480, 270)}
    assert {one.fps for one in admitted} == {12.5}
    assert 24 <= len(admitted) <= 26
    assert len(reasons(admission)) == 1


def test_calibration_that_fails_costs_no_call() -> None:
    admission = FrameAdmission(30, adapt=True)
    feed(admission, 1)
    admission.on_calibration_failed()
    assert not admission.calibration_wanted
    assert {one.size for one in feed(admission, 1, start_us=S)} == {TALK}
    assert reasons(admission) == ["encoder not measured, as the source is: 640x360 at 25 fps"]


def test_new_size_of_the_source_begins_anew_with_the_speed_that_is_known() -> None:
    admission = FrameAdmission(30, adapt=True, speed=FAST)
    assert {one.size for one in feed(admission, 1)} == {TALK}
    assert {one.size for one in feed(admission, 1, (320, 180), start_us=S)} == {(320, 180)}
    assert not admission.calibration_wanted
    assert len(reasons(admission)) == 2


@pytest.mark.parametrize("adapt", [True, False])
def test_rate_follows_the_source(adapt: bool) -> None:
    """A dark webcam, or a still screen: 5 fps at first, 30 later (twilio-video.js issue 1883)."""
    admission = FrameAdmission(30, adapt=adapt, speed=FAST)
    assert len(feed(admission, 3, fps=5)) == 15
    later = feed(admission, 4, fps=30, start_us=3 * S)
    assert len(later) >= 4 * 30 - 16
    assert later[-1].fps == 30
    assert {one.size for one in later} == {TALK}
    assert len(feed(admission, 10, fps=5, start_us=7 * S)) == 50


@pytest.mark.parametrize("interval_us", [2_500_000, 10_000_000])
def test_every_slide_is_sent_and_the_first_at_once(interval_us: int) -> None:
    admission = FrameAdmission(30, adapt=True, speed=FAST)
    admitted = [admission.on_frame(TALK, None, n * interval_us) for n in range(6)]
    assert None not in admitted
    assert admitted[-1] is not None
    assert admitted[-1].fps == pytest.approx(S / interval_us)


def test_faster_source_is_thinned_to_the_most_that_may_be_sent() -> None:
    admission = FrameAdmission(10, adapt=False)
    admitted = feed(admission, 3)
    assert {one.fps for one in admitted} == {10.0}
    assert 26 <= len(admitted) <= 30


@pytest.mark.parametrize("speed", [EncoderSpeed(1000, 160 * 96), None], ids=["measured", "not measured"])
def test_overload_in_mid_call_lowers_size_or_rate(speed: EncoderSpeed | None) -> None:
    """The encoder takes 100 ms for a frame of 160x96, whatever was measured before."""
    admission = FrameAdmission(30, adapt=True, speed=speed)
    if speed is None:
        admission.on_calibration_failed()
    free_us = 0
    sent: list[Admitted] = []
    for now_us in range(0, 10 * S, 40_000):
        admitted = admission.on_frame((160, 96), None, now_us)
        if admitted is None:
            continue
        if now_us < free_us:
            admission.on_skipped(SkipReason.ENCODER_TOO_SLOW, now_us)
            continue
        sent.append(admitted)
        encode_us = 100_000 * admitted.size[0] * admitted.size[1] // (160 * 96)
        free_us = now_us + encode_us
        admission.on_encoded(encode_us, 500_000, free_us)
    assert (sent[0].size, sent[0].fps) == ((160, 96), 30.0)
    assert sent[-1].size[0] * sent[-1].size[1] * sent[-1].fps < 160 * 96 * 10
    assert len(reasons(admission)) == 2


def test_bitrate_that_falls_thins_the_frames_of_the_same_size() -> None:
    """A key frame is only needed where the size changes."""
    admission = FrameAdmission(30, adapt=True, speed=FAST)
    feed(admission, 2)
    admission.on_bitrate(90_000, 2 * S)
    admitted = feed(admission, 1, start_us=2 * S)
    assert {(one.size, one.fps) for one in admitted} == {(TALK, 15.0)}
    assert 14 <= len(admitted) <= 16
