"""Calibration of the encoder: how long this machine takes for one P-frame, before anything is sent.

What is measured is wall time, from handing the encoder a frame to having its payloads: that is what decides whether it
is free when the next frame comes, and the encoder's own threads are in it, which the caller's CPU time would miss.
Whatever else runs at the moment can only add to it. So the result is the fastest frame, not the median, and measuring
goes on until two frames agree on it: a busy moment of a second is not taken for a slow machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from grace_codec.api import PacketCodec
from grace_codec.types import Budget, Frame
from grace_sender.live.adaptation import EncoderSpeed
from grace_sender.live.frames import fitting_size

MAX_PIXELS: Final = 640 * 360
"""Larger frames are measured at this size: cost grows about as the pixels do, and a call must not wait for long."""
TIME_LIMIT_S: Final = 1.5
MIN_FRAMES: Final = 4
AGREEMENT: Final = 1.1
"""The two fastest frames are within 10 % of each other: nothing disturbed them."""
BITS_PER_PIXEL: Final = 0.1  # an ordinary rate of a call


def calibration_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height in px) at which an encoder for frames of `size` is measured."""
    scale = min(1.0, (MAX_PIXELS / (size[0] * size[1])) ** 0.5)
    return fitting_size(size, (int(size[0] * scale), int(size[1] * scale)))


def calibrate(
    codec: PacketCodec, frame_at: Callable[[int], Frame], clock_s: Callable[[], float] = time.perf_counter
) -> EncoderSpeed:
    """Encode a key frame and then P-frames of `frame_at(1)`, `frame_at(2)` ... for TIME_LIMIT_S at most.

    `codec` is one of its own: rate control and patches of the call begin afresh. The first P-frame is left out where
    there are others, because runtimes prepare themselves for the size with it. Raises what the codec raises."""
    began_s = clock_s()
    first = frame_at(0)
    pixels = first.width * first.height
    budget = Budget(max(200, round(pixels * BITS_PER_PIXEL / 8)))
    reference = codec.encode(first, None, Budget(budget.frame_bytes * 4)).reference
    taken_s: list[float] = []
    while not taken_s or (not _settled(taken_s[1:]) and clock_s() - began_s < TIME_LIMIT_S):
        frame, start_s = frame_at(len(taken_s) + 1), clock_s()
        reference = codec.encode(frame, reference, budget).reference
        taken_s.append(clock_s() - start_s)
    return EncoderSpeed(round(min(taken_s[1:] or taken_s) * 1_000_000), pixels)


def moving(frame: Frame) -> Callable[[int], Frame]:
    """A clip made of one frame: frame `n` is shifted by 2 n px, because a still one would be coded too fast."""

    def at(number: int) -> Frame:
        step = 2 * number
        y, u, v = np.roll(frame.y, step, 1), np.roll(frame.u, step // 2, 1), np.roll(frame.v, step // 2, 1)
        return Frame(number, frame.captured_us, y, u, v)

    return at


def _settled(taken_s: list[float]) -> bool:
    if len(taken_s) < MIN_FRAMES:
        return False
    fastest, second = sorted(taken_s)[:2]
    return second <= AGREEMENT * fastest
