"""Tells the kinds of datagrams apart (RFC 7983), and reads what SRTP leaves unencrypted."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from grace_transport.errors import WireFormatError
from grace_transport.wire.rtp import parse_rtp

_HEADERS_BYTES: Final = 160  # enough for an RTP header with CSRCs and the extensions a browser sends
_PADDING: Final = 0x20


class Kind(StrEnum):
    """By the first byte (RFC 7983), RTP and RTCP by the second (RFC 5761)."""

    STUN = "stun"
    DTLS = "dtls"
    APPLICATION = "application"  # DTLS that carries data: a data channel's
    RTP = "rtp"
    RTCP = "rtcp"
    UNKNOWN = "unknown"

    @property
    def is_media(self) -> bool:
        """Whether it belongs to the media of a call, not to setting up its connection."""
        return self in (Kind.RTP, Kind.RTCP, Kind.APPLICATION)


def kind_of(data: bytes) -> Kind:
    """The kind of a datagram. Never raises."""
    if len(data) < 2:
        return Kind.UNKNOWN
    first = data[0]
    if first <= 3:
        return Kind.STUN if len(data) >= 20 else Kind.UNKNOWN
    if 20 <= first <= 63:
        return Kind.APPLICATION if first == 23 else Kind.DTLS
    if 128 <= first <= 191:
        return Kind.RTCP if 192 <= data[1] <= 223 else Kind.RTP
    return Kind.UNKNOWN


@dataclass(frozen=True, slots=True)
class MediaIds:
    """What the two ends agreed on, as far as the relay needs it to name packets in its log."""

    transport_seq_id: int | None = None  # of the header extension
    rtx_types: AbstractSet[int] = frozenset()  # payload types of retransmissions (RFC 4588)


@dataclass(frozen=True, slots=True)
class Label:
    """A datagram as the log names it: `kind` is media, retransmission, padding, feedback or other. None: not known."""

    kind: str
    seq: int | None = None  # transport-wide, 16 bit
    rtp_timestamp: int | None = None


def label_of(data: bytes, ids: MediaIds) -> Label:
    """Never raises: what cannot be read is media without numbers."""
    kind = kind_of(data)
    if kind is not Kind.RTP:
        return Label("feedback" if kind is Kind.RTCP else "other")
    try:  # Without the padding bit: how much there is of it is encrypted.
        packet = parse_rtp(bytes((data[0] & ~_PADDING,)) + data[1:_HEADERS_BYTES], ids.transport_seq_id)
    except WireFormatError:
        return Label("media")
    name = "retransmission" if packet.payload_type in ids.rtx_types else "padding" if data[0] & _PADDING else "media"
    return Label(name, packet.transport_seq, packet.timestamp)
