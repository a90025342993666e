"""What an observer of a live receiver gets: the session's events, and those of the live end around it."""

from __future__ import annotations

from dataclasses import dataclass

from grace_receiver.events import ReceiverEvent
from grace_transport.runtime.live_end import CodecReady, WorkFailed


@dataclass(frozen=True, slots=True)
class FrameDelivered:
    """A frame was given to the track with presentation time `pts` (1/90000 s since the first)."""

    at_us: int
    frame_id: int
    captured_us: int
    rtp_timestamp: int
    pts: int
    width: int
    height: int


LiveReceiverEvent = ReceiverEvent | FrameDelivered | CodecReady | WorkFailed
