"""Our payload header (docs/wire.md): 11 bytes after RTP's, by which each payload can be decoded without the others.

Owns frame id, place in the frame, parent lineage and profile. Refuses to know what the codec put into the payload."""

from __future__ import annotations

from struct import Struct

from grace_transport.errors import WireFormatError
from grace_transport.types import MediaPacket
from grace_transport.wire.seq import Unwrapper

VERSION = 1
HEADER_BYTES = 11
CLOCK_HZ = 90_000  # the RTP clock rate of video formats (RFC 3551 section 5)
MAX_TOTAL = 4095  # payloads of a frame: the field has 12 bits
FRAME_ID_BITS = 16

_KEY = 0x1
_RETRANSMITTED = 0x2
_HEADER = Struct("!BBHBHI")  # version|flags, profile, frame id, index and total (12 bits each), parent


class MediaParser:
    """Parses the payloads of one RTP stream (one SSRC), whose frame ids and timestamps it unwraps."""

    def __init__(self) -> None:
        self._frame_ids = Unwrapper(FRAME_ID_BITS)
        self._timestamps = Unwrapper(32)

    def parse(self, payload: bytes, timestamp: int, near_us: int | None = None) -> MediaPacket:
        """Read the payload of an RTP packet with this `timestamp` (32 bit). Raises WireFormatError.

        near_us: when the packet came, by the reader's clock. A 90 kHz timestamp of 32 bits wraps every 13 hours; on the
        sender's own machine this tells how often it has. Elsewhere `captured_us` is good for differences only anyway.

        Flags that are not known are ignored: they are free for later use."""
        if len(payload) <= HEADER_BYTES:
            raise WireFormatError(f"media payload of {len(payload)} bytes has no room for a header and content")
        first, profile, frame_id, index_high, low, parent = _HEADER.unpack_from(payload)
        if first >> 4 != VERSION:
            raise WireFormatError(f"media header version {first >> 4}, expected {VERSION}")
        index = index_high << 4 | low >> 12
        total = low & 0xFFF
        if index >= total:
            raise WireFormatError(f"payload {index} of {total}")
        key = bool(first & _KEY)
        if key and parent:
            raise WireFormatError("a key frame has no parent")
        if near_us is not None and self._timestamps.last is None:
            self._timestamps.expect(near_us * 9 // 100)
        return MediaPacket(
            self._frame_ids.unwrap(frame_id),
            index,
            total,
            parent,
            profile,
            key,
            self._timestamps.unwrap(timestamp) * 100 // 9,
            payload[HEADER_BYTES:],
            bool(first & _RETRANSMITTED),
        )


def build_media(packet: MediaPacket) -> bytes:
    """The RTP payload of `packet`: header and content. Raises ValueError for fields that do not fit."""
    if not 0 <= packet.index < packet.total <= MAX_TOTAL:
        raise ValueError(f"payload {packet.index} of {packet.total}, at most {MAX_TOTAL}")
    if packet.key and packet.parent:
        raise ValueError("a key frame has no parent")
    if not packet.payload:
        raise ValueError("a payload is never empty")
    flags = (_KEY if packet.key else 0) | (_RETRANSMITTED if packet.retransmitted else 0)
    header = _HEADER.pack(
        VERSION << 4 | flags,
        packet.profile,
        packet.frame_id & 0xFFFF,
        packet.index >> 4,
        (packet.index & 0xF) << 12 | packet.total,
        packet.parent,
    )
    return header + packet.payload


def mark_retransmitted(payload: bytes) -> bytes:
    """The same RTP payload with the flag that says that it is sent again."""
    return bytes((payload[0] | _RETRANSMITTED,)) + payload[1:]


def rtp_timestamp(captured_us: int) -> int:
    """Microseconds to the 90 kHz clock (32 bit). Parsed back, the time is off by less than 12 microseconds."""
    return -(-captured_us * 9 // 100) & 0xFFFFFFFF
