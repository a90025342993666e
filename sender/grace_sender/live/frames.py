"""Frames of a track (any size, any pixel format) as frames of the codec, and the numbers that applications give them.

`to_frame` runs on the encoder's thread. Knows no session and no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from grace_codec.types import Frame

if TYPE_CHECKING:
    from av import VideoFrame

MIN_SIDE_PX: Final = 64


class FrameNumber(NamedTuple):
    """An application that numbers its frames puts this, or an int that is both, into `VideoFrame.opaque`.

    `frame_id` is the frame's number on the wire, in events and in logs. `source_frame` is which frame of the source it
    shows; a looped clip shows each of its frames many times."""

    frame_id: int
    source_frame: int


class FrameNumbers:
    """Numbers frames: as the application says, as long as its numbers rise; else one after the other."""

    def __init__(self) -> None:
        self._last = -1

    def of(self, video: VideoFrame) -> FrameNumber:
        """The number of the next frame of the track."""
        own = video.opaque
        number = own if isinstance(own, FrameNumber) else FrameNumber(own, own) if isinstance(own, int) else None
        if number is None or number.frame_id <= self._last:
            number = FrameNumber(self._last + 1, self._last + 1)
        self._last = number.frame_id
        return number


def own_us(video: VideoFrame) -> int | None:
    """The time that its track gave the frame, in microseconds; None if it has none."""
    if video.pts is None or video.time_base is None:
        return None
    return round(video.pts * video.time_base * 1_000_000)


def fitting_size(size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """The largest even size of the same shape within `most`."""
    scale = min(1.0, most[0] / size[0], most[1] / size[1])
    return max(MIN_SIDE_PX, int(size[0] * scale) & ~1), max(MIN_SIDE_PX, int(size[1] * scale) & ~1)


def to_frame(video: VideoFrame, size: tuple[int, int], frame_id: int, captured_us: int) -> Frame:
    """The frame scaled to `size` (width, height; both even), as yuv420."""
    width, height = size
    scaled = video.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
    data = scaled.to_ndarray().astype(np.uint8, copy=False)  # (3 H / 2, W), a copy of its own
    y = data[:height]
    chroma = data[height:].reshape(2, height // 2, width // 2)
    for plane in (y, chroma):
        plane.flags.writeable = False
    return Frame(frame_id, captured_us, y, chroma[0], chroma[1])
