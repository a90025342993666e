"""Writes the events of the two sessions into a log: the lab and live processes log the same lines.

A session's event becomes one line of `schema`; where the line goes is the matter of the `EventLog`.
"""

from __future__ import annotations

from dataclasses import dataclass

from grace_receiver.events import (
    FrameDecoded,
    FrameLost,
    FrameReady,
    KeyFrameRequested,
    PacketArrived,
    ReceiverEvent,
)
from grace_sender.events import (
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    PacketLeft,
    RateChanged,
    Resynced,
    SenderEvent,
)
from grace_transport.event_log import EventLog
from grace_transport.machine import DatagramRejected


@dataclass(frozen=True, slots=True)
class FrameQuality:
    """How close a shown frame is to the captured one: SSIM (0 to 1) and PSNR in dB, both of luma."""

    ssim: float
    psnr: float


def log_sender_event(log: EventLog, event: SenderEvent) -> None:
    """Write what a sender session reported. Orders to the driver (EncodeWanted) are not logged."""
    match event:
        case PacketLeft():
            log.emit(
                event.at_us, "packet_sent",
                seq=event.seq, frame_id=event.frame_id, index=event.index, bytes=event.bytes, kind=event.kind.value,
            )  # fmt: skip
        case FrameEncoded():
            log.emit(
                event.at_us, "frame_encoded",
                frame_id=event.frame_id, key=event.key, bytes=event.bytes, packets=event.packets,
                encode_us=event.encode_us, parent=event.parent, lineage=event.lineage,
            )  # fmt: skip
        case FrameSkipped():
            log.emit(event.at_us, "frame_skipped", frame_id=event.frame_id, reason=event.text)
        case RateChanged():
            log.emit(
                event.at_us, "rate_target",
                bitrate_bps=event.bitrate_bps, pacing_bps=event.pacing_bps, rtt_us=event.rtt_us, state=event.state,
            )  # fmt: skip
        case Resynced():
            log.emit(
                event.at_us, "resync",
                frame_id=event.frame_id, base=event.base_frame_id, decoded=event.decoded, replayed=event.replayed,
            )  # fmt: skip
        case KeyFrameForced():
            log.emit(event.at_us, "key_frame_forced", frame_id=event.frame_id, reason=event.reason.value)
        case DatagramRejected():
            _log_rejected(log, event, "sender")


def log_receiver_event(log: EventLog, event: ReceiverEvent) -> None:
    """Write what a receiver session reported. Orders (DecodeWanted, CarryWanted) are not logged."""
    match event:
        case PacketArrived():
            log.emit(event.at_us, "packet_received", seq=event.seq)
        case FrameDecoded():
            log.emit(
                event.at_us, "frame_decoded",
                frame_id=event.frame_id, received=event.received, total=event.total, in_sync=event.in_sync,
                decode_us=event.decode_us, lineage=event.lineage,
            )  # fmt: skip
        case FrameReady():
            delay_us = event.at_us - event.captured_us
            log.emit(
                event.at_us, "frame_ready",
                frame_id=event.frame_id, captured_us=event.captured_us, delay_us=delay_us,
            )  # fmt: skip
        case FrameLost():
            log.emit(event.at_us, "frame_lost", frame_id=event.frame_id, reason=event.text)
        case KeyFrameRequested():
            log.emit(event.at_us, "pli_sent", last_frame_id=event.last_frame_id)
        case DatagramRejected():
            _log_rejected(log, event, "receiver")


def _log_rejected(log: EventLog, event: DatagramRejected, by: str) -> None:
    log.emit(event.at_us, "datagram_rejected", by=by, reason=event.reason, bytes=event.size_bytes)


def log_rendered(log: EventLog, at_us: int, frame_id: int, captured_us: int, quality: FrameQuality | None) -> None:
    """Write that a frame came onto the screen at `at_us`. `quality`: None where nobody compared the pixels."""
    log.emit(
        at_us, "frame_rendered",
        frame_id=frame_id, captured_us=captured_us, delay_us=at_us - captured_us,
        ssim=None if quality is None else round(quality.ssim, 7),
        psnr=None if quality is None else round(quality.psnr, 4),
    )  # fmt: skip
