"""RTP packets (RFC 3550) with the transport-wide sequence number as a header extension (RFC 8285, draft-holmer).

Owns header, extension and padding. Refuses to know what the payload is, and leaves counters as they are on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from grace_transport.errors import WireFormatError

TRANSPORT_SEQ_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

HEADER_BYTES = 12  # RFC 3550 section 5.1, without CSRCs and extensions
TRANSPORT_SEQ_BYTES = 8  # RFC 8285 section 4.2: extension header 4, element header 1, value 2, padding 1

_VERSION = 0x80
_PADDING = 0x20
_EXTENSION = 0x10
_ONE_BYTE_PROFILE = 0xBEDE  # RFC 8285 section 4.2
_TWO_BYTE_PROFILE = 0x1000  # RFC 8285 section 4.3; the low four bits are free

_FIXED = Struct("!BBHII")
_EXTENSION_HEADER = Struct("!HH")
_SEQ_EXTENSION = Struct("!HHBHx")
_U16 = Struct("!H")


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet. `seq` (16 bit), `timestamp` (32 bit) and `transport_seq` (16 bit or None) wrap as on the wire.

    CSRCs and extensions other than the transport-wide sequence number are read over and not kept."""

    payload_type: int
    seq: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    transport_seq: int | None = None
    padding_bytes: int = 0


def parse_rtp(data: bytes, transport_seq_id: int | None = None) -> RtpPacket:
    """Read one RTP packet. Raises WireFormatError.

    transport_seq_id: the negotiated id of the extension, 1 to 14, or up to 255 in two-byte form; None: do not look."""
    if len(data) < HEADER_BYTES:
        raise WireFormatError(f"RTP header needs {HEADER_BYTES} bytes, got {len(data)}")
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(data)
    if first & 0xC0 != _VERSION:
        raise WireFormatError(f"RTP version {first >> 6}, expected 2")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    transport_seq = None
    if first & _EXTENSION:
        transport_seq, start = _parse_extensions(data, start, transport_seq_id)
    end = len(data)
    padding = 0
    if first & _PADDING:
        padding = data[-1]
        end -= padding
        if padding == 0 or end < start:
            raise WireFormatError(f"RTP padding of {padding} bytes does not fit")
    if end < start:
        raise WireFormatError("RTP CSRC list or extensions run beyond the packet")
    return RtpPacket(second & 0x7F, seq, timestamp, ssrc, data[start:end], second >= 0x80, transport_seq, padding)


def build_rtp(packet: RtpPacket, transport_seq_id: int | None = None) -> bytes:
    """Write one RTP packet, with the transport-wide sequence number if both it and its extension id are given.

    Raises ValueError for an id outside 1 to 14 or fields that do not fit."""
    first = _VERSION | (_PADDING if packet.padding_bytes else 0)
    extension = b""
    if packet.transport_seq is not None and transport_seq_id is not None:
        if not 1 <= transport_seq_id <= 14:
            raise ValueError(f"a one-byte header extension has an id from 1 to 14, not {transport_seq_id}")
        first |= _EXTENSION
        extension = _SEQ_EXTENSION.pack(_ONE_BYTE_PROFILE, 1, transport_seq_id << 4 | 1, packet.transport_seq)
    if not 0 <= packet.payload_type <= 127 or not 0 <= packet.padding_bytes <= 255:
        raise ValueError("RTP payload type is 0 to 127, padding 0 to 255 bytes")
    second = packet.payload_type | (0x80 if packet.marker else 0)
    header = _FIXED.pack(first, second, packet.seq, packet.timestamp, packet.ssrc)
    if packet.padding_bytes:
        return header + extension + packet.payload + bytes(packet.padding_bytes - 1) + bytes((packet.padding_bytes,))
    return header + extension + packet.payload


def _parse_extensions(data: bytes, start: int, wanted_id: int | None) -> tuple[int | None, int]:
    """Transport-wide sequence number or None, and where the payload starts."""
    if len(data) < start + 4:
        raise WireFormatError("RTP extension header runs beyond the packet")
    profile, words = _EXTENSION_HEADER.unpack_from(data, start)
    start += 4
    end = start + 4 * words
    if len(data) < end:
        raise WireFormatError(f"RTP extensions of {words} words run beyond the packet")
    if wanted_id is None:
        return None, end
    if profile == _ONE_BYTE_PROFILE:
        if words == 1 and data[start] == wanted_id << 4 | 1:  # our own packets: one element, first place
            return data[start + 1] << 8 | data[start + 2], end
        return _find_one_byte(data, start, end, wanted_id), end
    if profile & 0xFFF0 == _TWO_BYTE_PROFILE:
        return _find_two_byte(data, start, end, wanted_id), end
    return None, end


def _find_one_byte(data: bytes, pos: int, end: int, wanted_id: int) -> int | None:
    while pos < end:
        header = data[pos]
        pos += 1
        if header == 0:  # a padding byte (RFC 8285 section 4)
            continue
        found_id, length = header >> 4, (header & 0x0F) + 1
        if found_id == 15:  # RFC 8285 section 4.2: processing stops at id 15
            break
        if pos + length > end:
            raise WireFormatError("RTP extension element runs beyond the extensions")
        if found_id == wanted_id:
            return _transport_seq(data, pos, length)
        pos += length
    return None


def _find_two_byte(data: bytes, pos: int, end: int, wanted_id: int) -> int | None:
    while pos < end:
        if data[pos] == 0:  # a padding byte (RFC 8285 section 4)
            pos += 1
            continue
        if pos + 2 > end or pos + 2 + data[pos + 1] > end:
            raise WireFormatError("RTP extension element runs beyond the extensions")
        if data[pos] == wanted_id:
            return _transport_seq(data, pos + 2, data[pos + 1])
        pos += 2 + data[pos + 1]
    return None


def _transport_seq(data: bytes, pos: int, length: int) -> int:
    if length not in {2, 4}:  # version 2 of the extension appends a feedback request of two bytes
        raise WireFormatError(f"transport-wide sequence number of {length} bytes")
    return int(_U16.unpack_from(data, pos)[0])
