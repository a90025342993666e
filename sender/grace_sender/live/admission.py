"""Which frames of a track are sent, and at what size: the rules between a live track and the session.

Pure: it is told when frames come, how fast the encoder is and what the network gives. Refuses to know pixels.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from grace_sender.events import SkipReason
from grace_sender.live.adaptation import Adaptation, EncoderSpeed, OperatingPoint, OperatingPointChanged
from grace_sender.live.frame_timing import CaptureClock, FrameGate, SourceRate

Size = tuple[int, int]
"""Width and height in px."""

SLOWER: Final = 0.7
FASTER: Final = 1.15
"""Between these factors a changed rate of the source is left alone: cameras are not even."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A frame that is to be sent: its size, when it was captured, and how many of them come in a second."""

    size: Size
    captured_us: int
    fps: float


class FrameAdmission:
    """Admits frames at the operating point of the moment.

    A track of a new size begins with its first frame, at the most that may be sent or, where `adapt` says so, at what a
    calibration of the encoder allows: until then none is admitted. What the source really gives per second is followed
    as soon as it shows, up and down."""

    def __init__(self, max_fps: float, *, adapt: bool, speed: EncoderSpeed | None = None) -> None:
        """`speed`: a calibration that was made before; None: `calibration_wanted` will ask for one."""
        self._adapt, self._speed = adapt, speed
        self._clock = CaptureClock()
        self._rate = SourceRate(max_fps)
        self._gate = FrameGate(max_fps)
        self._size: Size | None = None  # of the source
        self._adaptation: Adaptation | None = None
        self._point: OperatingPoint | None = None
        self._source_fps = max_fps  # that the adaptation counts on
        self._calibration_failed = False
        self._events: deque[OperatingPointChanged] = deque()

    @property
    def calibration_wanted(self) -> bool:
        """Whether the encoder's speed is missing. The driver answers: `on_calibrated` or `on_calibration_failed`."""
        return self._adapt and self._speed is None and not self._calibration_failed and self._size is not None

    def next_event(self) -> OperatingPointChanged | None:
        """The oldest change of the operating point that was not told yet, or None."""
        return self._events.popleft() if self._events else None

    def on_frame(self, size: Size, own_us: int | None, now_us: int) -> Admitted | None:
        """A frame came whose even size within the bounds of the call is `size`; `own_us` is its track's time for it, if
        any. None: it is not sent."""
        captured_us = self._clock.captured_us(own_us, now_us)
        self._rate.on_frame(captured_us)
        if size != self._size:
            self._size, self._point, self._adaptation = size, None, None
        if self._point is None:
            self._begin(size, now_us)
        else:
            self._follow_source(now_us)
        point = self._point
        if point is None or not self._gate.admits(captured_us):
            return None
        return Admitted((point.width, point.height), captured_us, min(point.fps, self._rate.fps))

    def on_calibrated(self, speed: EncoderSpeed) -> None:
        """The encoder was measured on this machine."""
        self._speed = speed

    def on_calibration_failed(self) -> None:
        """It could not be measured: begin with all that the source gives; what encoding takes will show."""
        self._calibration_failed = True

    def on_encoded(self, encode_us: int, bitrate_bps: int, now_us: int) -> None:
        """A frame took so long to encode, and the network gives so much at the moment."""
        if self._adaptation is not None:
            self._adaptation.on_encoded(encode_us, now_us)
            self._adaptation.on_bitrate(bitrate_bps, now_us)
            self._follow(self._adaptation)

    def on_skipped(self, reason: SkipReason, now_us: int) -> None:
        """The session skipped an admitted frame."""
        if self._adaptation is not None:
            self._adaptation.on_skipped(reason, now_us)
            self._follow(self._adaptation)

    def on_bitrate(self, bitrate_bps: int, now_us: int) -> None:
        """Congestion control changed the rate."""
        if self._adaptation is not None:
            self._adaptation.on_bitrate(bitrate_bps, now_us)
            self._follow(self._adaptation)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _begin(self, size: Size, now_us: int) -> None:
        """Choose the first point for a source of this size, unless the encoder is still to be measured."""
        if self.calibration_wanted:
            return
        source = OperatingPoint(*size, self._rate.fps)
        self._source_fps = source.fps
        if not self._adapt:
            self._set(OperatingPointChanged(now_us, source, f"as the source is: {source}"))
            return
        self._adaptation = Adaptation(source)
        if self._speed is None:
            self._set(OperatingPointChanged(now_us, source, f"encoder not measured, as the source is: {source}"))
            return
        self._adaptation.start(self._speed, now_us)
        self._follow(self._adaptation)

    def _follow_source(self, now_us: int) -> None:
        """Adaptation judges by the interval between frames, so it has to know what it is."""
        fps, before = self._rate.fps, self._source_fps
        if self._adaptation is None or not self._rate.known or SLOWER * before <= fps <= FASTER * before:
            return
        self._source_fps = fps
        self._adaptation.follow_source(fps, now_us)
        self._follow(self._adaptation)

    def _follow(self, adaptation: Adaptation) -> None:
        while (event := adaptation.next_event()) is not None:
            self._set(event)

    def _set(self, event: OperatingPointChanged) -> None:
        self._point = event.point
        self._gate.set_fps(event.point.fps)
        self._events.append(event)
