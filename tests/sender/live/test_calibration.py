"""Laws of the encoder's calibration, with codecs whose cost is stated: no real time passes."""

from __future__ import annotations

import numpy as np

from grace_codec.api import LossResponse
from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Budget, CodedFrame, Frame, Reference
from grace_sender.live.adaptation import EncoderSpeed
from grace_sender.live.calibration import calibrate, calibration_size, moving


class SlowCodec(StubCodec):
    """Takes what it is told on a clock of its own: first the key frame, then each P-frame; in the end 10 ms."""

    loss_response = LossResponse.RESYNC

    def __init__(self, seconds: list[float]) -> None:
        self.seconds, self.now, self.keys, self.frames = seconds, 0.0, 0, 0

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        self.now += self.seconds.pop(0) if self.seconds else 0.01
        self.keys += reference is None
        self.frames += 1
        return super().encode(frame, reference, budget)


def grey(number: int) -> Frame:
    chroma = np.zeros((90, 160), np.uint8)
    return Frame(number, 0, np.zeros((180, 320), np.uint8), chroma, chroma)


def calibrated(seconds: list[float]) -> tuple[EncoderSpeed, SlowCodec]:
    codec = SlowCodec(seconds)
    return calibrate(codec, grey, lambda: codec.now), codec


def test_speed_is_the_fastest_predicted_frame_without_the_first() -> None:
    speed, codec = calibrated([0.3, 0.02, 0.065, 0.062, 0.06, 0.07])
    assert speed == EncoderSpeed(60_000, 320 * 180)
    assert (codec.keys, codec.frames) == (1, 6)


def test_busy_moment_is_measured_through_until_two_frames_agree() -> None:
    speed, codec = calibrated([0.3, 0.1, 0.09, 0.14, 0.2, 0.11, 0.027, 0.05, 0.028, 9.0])
    assert speed.encode_us == 27_000
    assert codec.frames == 9


def test_slow_machine_is_not_measured_for_long() -> None:
    speed, codec = calibrated([3.0, 3.0, 99.0])
    assert speed == EncoderSpeed(3_000_000, 320 * 180)
    assert codec.now == 6.0


def test_large_frames_are_measured_small_and_small_ones_as_they_are() -> None:
    assert calibration_size((1280, 720)) == (640, 360)
    assert calibration_size((320, 180)) == (320, 180)
    width, height = calibration_size((1080, 1920))
    assert width * height <= 640 * 360
    assert abs(width / height - 1080 / 1920) < 0.02


def test_clip_of_one_frame_moves() -> None:
    still = Frame(0, 5, *(np.arange(size * size, dtype=np.uint8).reshape(size, size) for size in (64, 32, 32)))
    first, third = moving(still)(1), moving(still)(3)
    assert (third.frame_id, third.captured_us) == (3, 5)
    assert np.array_equal(third.y, np.roll(first.y, 4, 1))
    assert np.array_equal(third.u, np.roll(first.u, 2, 1))
