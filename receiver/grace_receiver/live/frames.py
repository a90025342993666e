"""Decoded frames as frames of a track (`av.VideoFrame`), and their presentation times."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from grace_codec.media.colour import tag
from grace_codec.types import Frame
from grace_transport.wire.media import CLOCK_HZ

if TYPE_CHECKING:
    from av import VideoFrame

NO_PIXELS_SIZE: Final = 320, 180
"""Of the grey frame that stands for one without pixels (scheme stub): a track cannot carry 0x0."""

_GREY: Final = 128


class TrackTime:
    """Presentation times of a track, in 1/90000 s since its first frame. They only rise: recorders rely on it."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = -1

    def pts(self, captured_us: int) -> int | None:
        """The time of the frame captured then; None where it is not later than the frame before."""
        ticks = -(-captured_us * CLOCK_HZ // 1_000_000)
        if self._first is None:
            self._first = ticks
        pts = ticks - self._first
        if pts <= self._last:
            return None
        self._last = pts
        return pts


def to_video_frame(frame: Frame, pts: int) -> VideoFrame:
    """A yuv420p frame with its own copy of the pixels, tagged with its colours; `pts` in 1/90000 s."""
    import av

    video = av.VideoFrame.from_ndarray(_planar(frame) if frame.y.size else _grey(), format="yuv420p")
    video.pts = pts
    video.time_base = Fraction(1, CLOCK_HZ)
    tag(video)
    return video


def _planar(frame: Frame) -> npt.NDArray[np.uint8]:
    """(3 H / 2, W): the three planes below each other, as ffmpeg has them."""
    data = np.concatenate([frame.y.ravel(), frame.u.ravel(), frame.v.ravel()])
    return data.reshape(frame.height * 3 // 2, frame.width)


def _grey() -> npt.NDArray[np.uint8]:
    width, height = NO_PIXELS_SIZE
    return np.full((height * 3 // 2, width), _GREY, np.uint8)
