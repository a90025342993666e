"""The common part of RTCP packets (RFC 3550 section 6.4.1): compounds, header, padding. Refuses to know the bodies."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from grace_transport.errors import WireFormatError

RTPFB = 205  # transport-layer feedback (RFC 4585 section 6.2)
PSFB = 206  # payload-specific feedback (RFC 4585 section 6.3)
MAX_BODY_BYTES = 4 * 0xFFFF

_HEADER = Struct("!BBH")


@dataclass(frozen=True, slots=True)
class RtcpPacket:
    """One packet out of a compound. `count` is the five-bit field: a report count, a source count or a format (FMT).

    `body` starts after the four header bytes; padding is taken off."""

    packet_type: int
    count: int
    body: bytes


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port shared with RTP is RTCP (RFC 5761 section 4: packet types 192 to 223)."""
    return len(data) >= 4 and 192 <= data[1] <= 223


def split_compound(data: bytes) -> list[RtcpPacket]:
    """The packets of one datagram, which may be reduced-size RTCP (RFC 5506). Raises WireFormatError."""
    if not data:
        raise WireFormatError("RTCP datagram is empty")
    packets = []
    pos = 0
    while pos < len(data):
        packet, pos = parse_rtcp(data, pos)
        packets.append(packet)
    return packets


def parse_rtcp(data: bytes, pos: int = 0) -> tuple[RtcpPacket, int]:
    """The packet at `pos` of a compound, and where the next one begins. Raises WireFormatError."""
    if len(data) - pos < 4:
        raise WireFormatError(f"RTCP header needs 4 bytes, got {len(data) - pos}")
    first, packet_type, words = _HEADER.unpack_from(data, pos)
    if first & 0xC0 != 0x80:
        raise WireFormatError(f"RTCP version {first >> 6}, expected 2")
    end = pos + 4 + 4 * words
    if end > len(data):
        raise WireFormatError(f"RTCP length of {words} words runs beyond the datagram")
    padding = 0
    if first & 0x20:
        padding = data[end - 1] if words else 0
        if padding == 0 or padding > 4 * words:
            raise WireFormatError(f"RTCP padding of {padding} bytes does not fit")
    return RtcpPacket(packet_type, first & 0x1F, data[pos + 4 : end - padding]), end


def build_rtcp(packet_type: int, count: int, body: bytes) -> bytes:
    """One packet; a body that is no multiple of four bytes is padded (RFC 3550 section 6.4.1).

    Padding may only stand at the end of a compound. Raises ValueError for fields that do not fit."""
    padding = -len(body) % 4
    if not 0 <= count <= 31 or not 0 <= packet_type <= 255 or len(body) > MAX_BODY_BYTES:
        raise ValueError("RTCP count is 0 to 31, packet type 0 to 255, body at most 262,140 bytes")
    first = 0x80 | (0x20 if padding else 0) | count
    header = _HEADER.pack(first, packet_type, (len(body) + padding) // 4)
    if not padding:
        return header + body
    return header + body + bytes(padding - 1) + bytes((padding,))
