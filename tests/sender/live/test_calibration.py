from __future__ import annotations

import numpy as np

from grace_codec.api import LossResponse
from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Budget, CodedFrame, Frame, Reference
from grace_sender.live.calibration import Measurement, measure_encoder


class SlowCodec(StubCodec):
    """Takes what it is told on a clock of its own."""

    loss_response = LossResponse.RESYNC

    def __init__(self, seconds: list[float]) -> None:
        self.seconds, self.now, self.keys = seconds, 0.0, 0

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        self.now += self.seconds.pop(0) if self.seconds else 0.01
        self.keys += reference is None
        return super().encode(frame, reference, budget)


def picture(number: int) -> Frame:
    chroma = np.zeros((90, 160), np.uint8)
    return Frame(number, 0, np.zeros((180, 320), np.uint8), chroma, chroma)


def measured(seconds: list[float]) -> tuple[Measurement, SlowCodec]:
    codec = SlowCodec(seconds)
    return measure_encoder(codec, picture, lambda: codec.now), codec


def test_median_of_predicted_frames_without_the_first() -> None:
    result, codec = measured([0.3, 0.9, 0.04, 0.05, 0.06, 0.07])
    assert result == Measurement(60_000, 320 * 180, 4)
    assert codec.keys == 1


def test_slow_machine_is_not_measured_for_long() -> None:
    result, codec = measured([3.0, 3.0, 99.0])
    assert result == Measurement(3_000_000, 320 * 180, 1)
    assert codec.now == 6.0
