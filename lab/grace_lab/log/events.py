"""Events of the two sessions as lines of a call's log: the same lines from the lab and from live processes.

Owns which fact goes where. Refuses to know who runs the sessions and where the lines end up (`EventLog`).
"""

from __future__ import annotations

from grace_receiver.events import FrameDecoded, FrameLost, FrameReady, KeyFrameRequested, PacketArrived
from grace_sender.events import FrameEncoded, FrameSkipped, KeyFrameForced, PacketLeft, RateChanged, Resynced
from grace_transport.event_log import EventLog
from grace_transport.machine import DatagramRejected


def log_sender_event(log: EventLog, event: object, encode_us: int = 0) -> None:
    """Write what a sender session reported. `encode_us`: what encoding took, for FrameEncoded.

    Orders (EncodeWanted) and what is not an event of a sender are passed over."""
    match event:
        case PacketLeft():
            log.emit(
                event.at_us, "packet_sent",
                seq=event.seq, frame_id=event.frame_id, index=event.index, bytes=event.bytes, kind=event.kind,
            )  # fmt: skip
        case FrameEncoded():
            log.emit(
                event.at_us, "frame_encoded",
                frame_id=event.frame_id, key=event.key, bytes=event.bytes, packets=event.packets,
                encode_us=encode_us, parent=event.parent, lineage=event.lineage,
            )  # fmt: skip
        case FrameSkipped():
            log.emit(event.at_us, "frame_skipped", frame_id=event.frame_id, reason=event.reason)
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
            log.emit(event.at_us, "key_frame_forced", frame_id=event.frame_id, reason=event.reason)
        case DatagramRejected():
            _log_rejected(log, event, "sender")


def log_receiver_event(
    log: EventLog, event: object, decode_us: int = 0, ssim: float | None = None, psnr: float | None = None
) -> None:
    """Write what a receiver session reported. `decode_us`: what decoding took, for FrameDecoded; `ssim` (0..1) and
    `psnr` (dB) of the picture shown, for FrameReady, None where nobody compared it yet.

    Orders (DecodeWanted, CarryWanted) and what is not an event of a receiver are passed over."""
    match event:
        case PacketArrived():
            log.emit(event.at_us, "packet_received", seq=event.seq)
        case FrameDecoded():
            log.emit(
                event.at_us, "frame_decoded",
                frame_id=event.frame_id, received=event.received, total=event.total, in_sync=event.in_sync,
                decode_us=decode_us, lineage=event.lineage,
            )  # fmt: skip
        case FrameReady():
            log.emit(
                event.at_us, "frame_rendered",
                frame_id=event.frame_id, captured_us=event.captured_us, delay_us=event.at_us - event.captured_us,
                ssim=None if ssim is None else round(ssim, 7), psnr=None if psnr is None else round(psnr, 4),
            )  # fmt: skip
        case FrameLost():
            log.emit(event.at_us, "frame_lost", frame_id=event.frame_id, reason=event.reason)
        case KeyFrameRequested():
            log.emit(event.at_us, "key_frame_requested", last_frame_id=event.last_frame_id)
        case DatagramRejected():
            _log_rejected(log, event, "receiver")


def _log_rejected(log: EventLog, event: DatagramRejected, by: str) -> None:
    log.emit(event.at_us, "datagram_rejected", by=by, reason=event.reason, bytes=event.size_bytes)
