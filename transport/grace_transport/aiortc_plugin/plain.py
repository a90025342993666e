"""RTP timestamps of streams that aiortc codes itself (VP8, H.264): only it knows them, and it tells nobody."""

from __future__ import annotations

from typing import Any


def sent_timestamp(sender: Any) -> int | None:
    """The timestamp of the last packet that an `RTCRtpSender` sent, 32 bit. None: none yet, or not to be had."""
    timestamp = getattr(sender, "_RTCRtpSender__rtp_timestamp", None)
    return timestamp if isinstance(timestamp, int) and timestamp else None


def shown_timestamp(receiver: Any, pts: int) -> int | None:
    """The timestamp on the wire of a picture with this `pts` from an `RTCRtpReceiver`'s track, 32 bit."""
    origin = getattr(getattr(receiver, "_RTCRtpReceiver__timestamp_mapper", None), "_origin", None)
    return (origin + pts) & 0xFFFFFFFF if isinstance(origin, int) else None
