"""Frames of a track (any size, any pixel format) as frames of the codec, and the numbers that applications give them.

`to_frame` runs on the encoder's thread. Knows no session and no clock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from grace_codec.media import FrameConverter
from grace_codec.media.orientation import swaps_sides, upright
from grace_codec.types import Frame

if TYPE_CHECKING:
    from av import VideoFrame

MIN_SIDE_PX: Final = 64
_of_thread = threading.local()
"""The converter of each encoder's thread, made for the size and format that it met last."""


class FrameNumber(NamedTuple):
    """An application that numbers its frames puts this into `VideoFrame.opaque`; anything else there is its own affair.

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
        number = own if isinstance(own, FrameNumber) else FrameNumber(self._last + 1, self._last + 1)
        if number.frame_id <= self._last:
            number = FrameNumber(self._last + 1, self._last + 1)
        self._last = number.frame_id
        return number


def own_us(video: VideoFrame) -> int | None:
    """The time that its track gave the frame, in microseconds; None if it has none."""
    if video.pts is None or video.time_base is None:
        return None
    return round(video.pts * video.time_base * 1_000_000)


def shown_size(video: VideoFrame) -> tuple[int, int]:
    """Width and height of the frame as it is to be shown: a phone's may have to be turned."""
    return (video.height, video.width) if swaps_sides(upright(video)) else (video.width, video.height)


def fitting_size(size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """The largest even size of the same shape within `most`; a smaller one only where sides would be below 64 px.

    Of shapes that fit neither way (more than 16:1, or so) the short side is 64 px."""
    fits = min(most[0] / size[0], most[1] / size[1])
    scale = min(fits, max(1.0, MIN_SIDE_PX / min(size)))
    width, height = int(size[0] * scale + 1e-9) & ~1, int(size[1] * scale + 1e-9) & ~1
    return max(MIN_SIDE_PX, width), max(MIN_SIDE_PX, height)


def to_frame(video: VideoFrame, size: tuple[int, int], frame_id: int, captured_us: int) -> Frame:
    """The frame upright, scaled to `size` (width, height; both even), in the colours of coded frames.

    The given frame is only read: aiortc's MediaRelay gives one frame to several tracks, whose encoders run at once."""
    converter = getattr(_of_thread, "converter", None)
    if converter is None or converter.size != size:
        converter = _of_thread.converter = FrameConverter(size, scaler="area")
    y, u, v = converter.planes(video)
    for plane in (y, u, v):
        plane.flags.writeable = False
    return Frame(frame_id, captured_us, y, u, v)
