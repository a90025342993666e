"""Payloads to the network and back: wire format, feedback, congestion control, pacing, resync. Knows no pixels.

What is exported here is the public interface; nothing heavy is imported with it. The aiortc plug-in has an interface of
its own, `grace_transport.aiortc_plugin`; so have `signalling`, `congestion`, `resync`, `lineage` and `wire`.
"""

from __future__ import annotations

from grace_transport.assembler import AssembledFrame, FrameAssembler, FrameGivenUp, StreamReset
from grace_transport.clock import AsyncioClock
from grace_transport.errors import TransportError, WireFormatError
from grace_transport.event_log import EventLog
from grace_transport.host import Clock, Host, TimerHandle
from grace_transport.machine import DatagramRejected, Machine
from grace_transport.resync import ReceiverResync, SenderResync
from grace_transport.retransmission import KeyFrameRequester, NackRequester, RetransmissionBuffer
from grace_transport.types import Feedback, FrameReport, MediaPacket, Nack, PacketSent, Pli, ProbeCluster, RateTarget

__all__ = [
    "AssembledFrame",
    "AsyncioClock",
    "Clock",
    "DatagramRejected",
    "EventLog",
    "Feedback",
    "FrameAssembler",
    "FrameGivenUp",
    "FrameReport",
    "Host",
    "KeyFrameRequester",
    "Machine",
    "MediaPacket",
    "Nack",
    "NackRequester",
    "PacketSent",
    "Pli",
    "ProbeCluster",
    "RateTarget",
    "ReceiverResync",
    "RetransmissionBuffer",
    "SenderResync",
    "StreamReset",
    "TimerHandle",
    "TransportError",
    "WireFormatError",
]
