"""The sending end of a call: when to encode a frame, against which reference and within what budget; then sending it.

The names here are the public API: the session as a pure machine, its events, and what runs a codec for it. The live
driver (`live.driver`, which the aiortc plug-in finds by entry point), its rules (`live.admission`, `live.adaptation`)
and the application `grace-rtc send` (`app.send`) are imported from their modules.
"""

from __future__ import annotations

from grace_sender.events import (
    EncodeWanted,
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    KeyFrameReason,
    PacketKind,
    PacketLeft,
    RateChanged,
    Resynced,
    SenderEvent,
    SkipReason,
)
from grace_sender.references import EncoderReferences
from grace_sender.session import SenderConfig, SenderSession

__all__ = [
    "EncodeWanted",
    "EncoderReferences",
    "FrameEncoded",
    "FrameSkipped",
    "KeyFrameForced",
    "KeyFrameReason",
    "PacketKind",
    "PacketLeft",
    "RateChanged",
    "Resynced",
    "SenderConfig",
    "SenderEvent",
    "SenderSession",
    "SkipReason",
]
