"""Data that flows through the transport. Units are in the names; sequence numbers are plain ints that do not wrap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaPacket:
    """One payload of one coded frame, as docs/wire.md lays it out.

    parent: the lineage of the state that the frame was coded against (0 for a key frame). captured_us: from the 90 kHz
    RTP timestamp, in a sender's clock, good for differences only. retransmitted: sent again on request, so that its
    arrival says nothing about reordering."""

    frame_id: int
    index: int
    total: int
    parent: int
    profile: int
    key: bool
    captured_us: int
    payload: bytes
    retransmitted: bool = False


@dataclass(frozen=True, slots=True)
class PacketSent:
    """A packet that left: transport-wide sequence number, actual send time, size with RTP header."""

    seq: int
    sent_us: int
    size_bytes: int
    probe_cluster: int | None = None
    padding: bool = False  # sent to fill a probe: it says nothing about what the application needs


@dataclass(frozen=True, slots=True)
class Feedback:
    """One transport-wide report: (seq, arrival in the receiver's clock, or None if not received), in seq order."""

    arrivals: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class RateTarget:
    """The rates that congestion control allows: the media bitrate, and the rate at which the pacer sends packets."""

    bitrate_bps: int
    pacing_bps: int


@dataclass(frozen=True, slots=True)
class ProbeCluster:
    """A burst of packets at `bitrate_bps`, by which congestion control probes for more bandwidth (as libwebrtc)."""

    cluster_id: int
    bitrate_bps: int
    min_packets: int = 5
    min_duration_us: int = 15_000


@dataclass(frozen=True, slots=True)
class FrameReport:
    """The receiver tells from which payloads it decoded frame `frame_id`, and the lineage of the state it reached.

    Bit i of `received` says that payload i of `total` was used. `total` 0: nothing of the frame arrived."""

    frame_id: int
    lineage: int
    total: int
    received: int


@dataclass(frozen=True, slots=True)
class Pli:
    """Picture Loss Indication: the receiver cannot go on without a key frame.

    It plays the role of RTCP's PLI (RFC 4585 6.3.1) in a wire format of its own (docs/wire.md), which adds
    `last_frame_id`, the newest frame that the receiver knows of."""

    last_frame_id: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Negative acknowledgement: asks for missing payloads of one frame to be sent again.

    It plays the role of RTCP's generic NACK (RFC 4585 6.2.1) in a wire format of its own (docs/wire.md). Bit i of
    `wanted` asks for payload i; `wanted` 0 asks for the whole frame, of which nothing arrived."""

    frame_id: int
    wanted: int
