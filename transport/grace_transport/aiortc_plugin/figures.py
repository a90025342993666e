"""What `getStats` says of a GRACE stream beyond aiortc's own: names of the W3C's webrtc-stats, and GRACE's."""

# ruff: noqa: N815 (names as in the standard)

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SenderStats:
    """W3C names (RTCOutboundRtpStreamStats; availableOutgoingBitrate is of RTCIceCandidatePairStats), then GRACE's.

    iPatches: I-patches that were sent. resyncs: frames coded against a re-derived reference."""

    framesEncoded: int = 0
    framesSent: int = 0
    framesDropped: int = 0
    keyFramesEncoded: int = 0
    totalEncodeTime: float = 0.0
    frameWidth: int = 0
    frameHeight: int = 0
    framesPerSecond: float = 0.0
    targetBitrate: int = 0
    availableOutgoingBitrate: int = 0
    retransmittedPacketsSent: int = 0
    retransmittedBytesSent: int = 0
    roundTripTime: float = 0.0
    resyncs: int = 0
    iPatches: int = 0
    keyFramesForced: int = 0


@dataclass(frozen=True, slots=True)
class ReceiverStats:
    """W3C names (RTCInboundRtpStreamStats), then GRACE's.

    partialFrames: frames decoded from a part of their packets. resyncs: returns to the sender's reference.
    iPatches: I-patches that were decoded."""

    framesReceived: int = 0
    framesDecoded: int = 0
    framesRendered: int = 0
    framesDropped: int = 0
    keyFramesDecoded: int = 0
    totalDecodeTime: float = 0.0
    frameWidth: int = 0
    frameHeight: int = 0
    framesPerSecond: float = 0.0
    freezeCount: int = 0
    totalFreezesDuration: float = 0.0
    partialFrames: int = 0
    resyncs: int = 0
    iPatches: int = 0
    keyFramesRequested: int = 0
