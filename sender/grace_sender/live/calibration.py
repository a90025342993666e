"""The start measurement: how long this machine encodes a picture of the real input, before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from grace_codec.api import PacketCodec
from grace_codec.types import Budget, Frame

TIME_LIMIT_S: Final = 1.5
ENOUGH: Final = 4
BYTES_PER_PIXEL: Final = 0.1 / 8
"""What a frame is given in the measurement: 0.1 bit per pixel, an ordinary rate of a call."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """`encode_us` for one P-frame of `pixels` px; `frames` were measured."""

    encode_us: int
    pixels: int
    frames: int


def measure_encoder(
    codec: PacketCodec, picture: Callable[[int], Frame], clock_s: Callable[[], float] = time.perf_counter
) -> Measurement:
    """Encode a key frame and then P-frames of `picture(n)`, for TIME_LIMIT_S or ENOUGH of them; takes the median.

    The first P-frame is left out where there are others: runtimes prepare themselves for the size with it."""
    began = clock_s()
    times: list[float] = []
    first = picture(0)
    pixels = first.width * first.height
    budget = Budget(max(200, round(pixels * BYTES_PER_PIXEL)))
    reference = codec.encode(first, None, Budget(budget.frame_bytes * 4)).reference
    while len(times) <= ENOUGH and (not times or clock_s() - began < TIME_LIMIT_S):
        frame, start = picture(len(times) + 1), clock_s()
        reference = codec.encode(frame, reference, budget).reference
        times.append(clock_s() - start)
    steady = sorted(times[1:] or times)
    return Measurement(round(steady[len(steady) // 2] * 1_000_000), pixels, len(steady))
