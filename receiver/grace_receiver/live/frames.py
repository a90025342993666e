"""Decoded frames as pictures of a track (`av.VideoFrame`)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from grace_codec.types import Frame
from grace_transport.wire.media import CLOCK_HZ

if TYPE_CHECKING:
    from av import VideoFrame

NO_PIXELS_SIZE = 320, 180
"""Of the grey picture that stands for one without pixels (scheme stub): a track cannot carry 0x0."""

_GREY = 128


def to_video_frame(frame: Frame, pts: int) -> VideoFrame:
    """A yuv420p picture with its own copy of the pixels; `pts` in 1/90000 s."""
    import av

    picture = av.VideoFrame.from_ndarray(_planar(frame) if frame.y.size else _grey(), format="yuv420p")
    picture.pts = pts
    picture.time_base = Fraction(1, CLOCK_HZ)
    return picture


def _planar(frame: Frame) -> np.ndarray:
    """(3 H / 2, W): the three planes below each other, as ffmpeg has them."""
    data = np.concatenate([frame.y.ravel(), frame.u.ravel(), frame.v.ravel()])
    return data.reshape(frame.height * 3 // 2, frame.width)


def _grey() -> np.ndarray:
    width, height = NO_PIXELS_SIZE
    return np.full((height * 3 // 2, width), _GREY, np.uint8)
