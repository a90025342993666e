"""Traffic: what the sender sent, what the network lost of it, and counts of frames."""

from __future__ import annotations

from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import frame_outcomes, video_length_us


def bitrate_bps(log: SessionLog) -> float | None:
    """Bytes that the sender sent (media, retransmissions, padding; with headers) per second of video; no feedback."""
    length_us = video_length_us(log, frame_outcomes(log))
    sent = sum(event.integer("bytes") for event in log.named("packet_sent") if event.text("kind") != "feedback")
    return sent * 8e6 / length_us if length_us else None


def retransmission_ratio(log: SessionLog) -> float | None:
    """Bytes of retransmitted packets over the bytes of all media and retransmissions."""
    size = {"media": 0, "retransmission": 0}
    for event in log.named("packet_sent"):
        if (kind := event.text("kind")) in size:
            size[kind] += event.integer("bytes")
    total = sum(size.values())
    return size["retransmission"] / total if total else None


def packet_loss_ratio(log: SessionLog) -> float | None:
    """Packets of the sender that the network dropped, over those it sent. Feedback is not in it."""
    sent = sum(event.text("kind") != "feedback" for event in log.named("packet_sent"))
    dropped = sum(event.text("kind") != "feedback" for event in log.named("packet_dropped"))
    return dropped / sent if sent else None


def frame_loss_ratio(log: SessionLog) -> float | None:
    """Mean over the encoded frames of the share of their packets that the decoder did not have."""
    encoded = [frame for frame in frame_outcomes(log) if frame.sent_packets]
    if not encoded:
        return None
    return sum(1 - (f.received or 0) / (f.total or f.sent_packets) for f in encoded) / len(encoded)


def frames_captured(log: SessionLog) -> float | None:
    """All frames that were captured."""
    return float(len(frame_outcomes(log)))


def frames_skipped(log: SessionLog) -> float | None:
    """Frames that the sender did not encode."""
    return float(sum(frame.skipped for frame in frame_outcomes(log)))


def frames_rendered(log: SessionLog) -> float | None:
    """Frames shown within 400 ms."""
    return float(sum(frame.in_time for frame in frame_outcomes(log)))


def frames_partial(log: SessionLog) -> float | None:
    """Frames decoded from some but not all of their packets."""
    return float(sum(f.received is not None and 0 < f.received < f.total for f in frame_outcomes(log)))


def resyncs(log: SessionLog) -> float | None:
    """Number of times that the sender re-derived its reference from what the receiver had."""
    return float(sum(1 for _ in log.named("resync")))
