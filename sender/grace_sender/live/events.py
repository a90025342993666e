"""What an observer of a live sender gets: the session's events, and those of the live end around it."""

from __future__ import annotations

from dataclasses import dataclass

from grace_sender.events import SenderEvent
from grace_sender.live.adaptation import OperatingPointChanged
from grace_transport.runtime.live_end import CodecReady, WorkFailed


@dataclass(frozen=True, slots=True)
class FrameCaptured:
    """Frame `source_frame` of a source was captured as frame `frame_id` of the call, `width` x `height` px.

    `rtp_timestamp` is as on the wire; None where it cannot be known (a frame that aiortc's own codecs drop)."""

    at_us: int
    frame_id: int
    captured_us: int
    source_frame: int
    rtp_timestamp: int | None
    width: int
    height: int


LiveSenderEvent = SenderEvent | FrameCaptured | OperatingPointChanged | CodecReady | WorkFailed
