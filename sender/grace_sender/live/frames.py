"""Pictures of a track (any size, any pixel format) as frames of the codec. Runs on the encoder's thread.

Owns scaling and what a first measurement codes. Knows no session and no time but what it measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from grace_codec.api import PacketCodec
from grace_codec.types import Budget, Frame

if TYPE_CHECKING:
    from av import VideoFrame

MEASURE_PX = 320 * 180  # what a first measurement codes at most: enough to tell, soon done
MEASURE_FRAMES = 3
MEASURE_BITS_PER_PIXEL = 0.1
MIN_SIDE_PX = 64


def own_us(picture: VideoFrame) -> int | None:
    """The time that its track gave it, in microseconds."""
    if picture.pts is None or picture.time_base is None:
        return None
    return round(picture.pts * picture.time_base * 1_000_000)


def fitting_size(size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """The largest even size of the same shape within `most`."""
    scale = min(1.0, most[0] / size[0], most[1] / size[1])
    return max(MIN_SIDE_PX, int(size[0] * scale) & ~1), max(MIN_SIDE_PX, int(size[1] * scale) & ~1)


def to_frame(picture: VideoFrame, size: tuple[int, int], frame_id: int, captured_us: int) -> Frame:
    """Scaled to `size` (width, height; both even), as yuv420."""
    width, height = size
    scaled = picture.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
    data = scaled.to_ndarray().astype(np.uint8, copy=False)  # (3 H / 2, W), a copy of its own
    y = data[:height]
    chroma = data[height:].reshape(2, height // 2, width // 2)
    for plane in (y, chroma):
        plane.flags.writeable = False
    return Frame(frame_id, captured_us, y, chroma[0], chroma[1])


def measure_encoding(make: Callable[[], PacketCodec], picture: VideoFrame, size: tuple[int, int]) -> tuple[int, int]:
    """How long a P-frame takes: (microseconds, pixels). The fastest of a few: the first ones warm up."""
    scale = min(1.0, (MEASURE_PX / (size[0] * size[1])) ** 0.5)
    small = fitting_size(size, (int(size[0] * scale), int(size[1] * scale)))
    budget = Budget(round(small[0] * small[1] * MEASURE_BITS_PER_PIXEL / 8))
    codec = make()  # of its own: rate control and patches of the call begin afresh
    coded = codec.encode(to_frame(picture, small, 0, 0), None, budget)
    taken_us = []
    for frame_id in range(1, 1 + MEASURE_FRAMES):
        begin_ns = time.monotonic_ns()
        moved = _shifted(to_frame(picture, small, frame_id, 0))
        coded = codec.encode(moved, coded.reference, budget)
        taken_us.append((time.monotonic_ns() - begin_ns) // 1000)
    return min(taken_us), small[0] * small[1]


def _shifted(frame: Frame) -> Frame:
    """Something has moved since the picture before: a still one would be coded too fast."""
    step = 2 * frame.frame_id
    y, u, v = np.roll(frame.y, step, 1), np.roll(frame.u, step // 2, 1), np.roll(frame.v, step // 2, 1)
    return Frame(frame.frame_id, frame.captured_us, y, u, v)
