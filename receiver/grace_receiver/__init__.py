"""The receiving end of a call: packets to frames, against which reference each is decoded, and what the sender is told.

The names here are the public API: the session as a pure machine, its events, and what runs a codec for it. The live
driver (`live.driver`, which the aiortc plug-in finds by entry point) and the application `grace-rtc receive`
(`app.receive`) are imported from their modules.
"""

from __future__ import annotations

from grace_receiver.errors import DisplayError, ReceiverError, RecordError
from grace_receiver.events import (
    CarryWanted,
    DecodeWanted,
    FrameDecoded,
    FrameLost,
    FrameReady,
    KeyFrameRequested,
    LossReason,
    PacketArrived,
    ReceiverEvent,
)
from grace_receiver.references import DecoderReferences
from grace_receiver.session import ReceiverConfig, ReceiverSession

__all__ = [
    "CarryWanted",
    "DecodeWanted",
    "DecoderReferences",
    "DisplayError",
    "FrameDecoded",
    "FrameLost",
    "FrameReady",
    "KeyFrameRequested",
    "LossReason",
    "PacketArrived",
    "ReceiverConfig",
    "ReceiverError",
    "ReceiverEvent",
    "ReceiverSession",
    "RecordError",
]
