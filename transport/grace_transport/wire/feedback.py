"""Our feedback on the wire: RTCP 206 format 15, application-layer feedback (RFC 4585 section 6.4), identifier "GRCE".

Owns the layout of frame reports, PLIs and NACKs (docs/wire.md). Refuses to know when they are sent or what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct

from grace_transport.errors import WireFormatError
from grace_transport.types import FrameReport, Nack, Pli
from grace_transport.wire.media import FRAME_ID_BITS, MAX_TOTAL
from grace_transport.wire.rtcp import PSFB, RtcpPacket, build_rtcp
from grace_transport.wire.seq import nearest

FORMAT = 15
IDENTIFIER = b"GRCE"
VERSION = 1
MAX_BYTES = 1200  # of one RTCP packet with several items
MAX_ITEMS = 255

Item = FrameReport | Pli | Nack

_FRAME_REPORT, _PLI, _NACK = 1, 2, 3
_COMPLETE = 0x1000  # flag in a frame report: all of `total` payloads were used, and no bitmap follows

_HEADER = Struct("!II4sBB")  # sender SSRC, media SSRC, identifier, version, item count
_ITEM = Struct("!H")  # type (4 bits) | length of the content in bytes (12 bits)
_REPORT = Struct("!HHI")  # frame id, flags (4 bits) | total (12 bits), lineage
_FRAME_ID = Struct("!H")


@dataclass(frozen=True, slots=True)
class FrameFeedback:
    """One feedback packet. sender_ssrc: of the end that reports. media_ssrc: of the stream that it reports about."""

    sender_ssrc: int
    media_ssrc: int
    items: tuple[Item, ...]


def is_frame_feedback(packet: RtcpPacket) -> bool:
    """Whether this is our feedback; other application-layer feedback, as REMB, has another identifier."""
    return packet.packet_type == PSFB and packet.count == FORMAT and packet.body[8:12] == IDENTIFIER


def parse_feedback(packet: RtcpPacket, newest_frame_id: int) -> FrameFeedback:
    """Read one feedback packet; frame ids are unwrapped to be nearest to `newest_frame_id`, the newest that was sent.

    Items of a type that is not known are passed over. Raises WireFormatError."""
    if not is_frame_feedback(packet):
        raise WireFormatError(f"RTCP {packet.packet_type}/{packet.count} is no frame feedback")
    body = packet.body
    if len(body) < _HEADER.size:
        raise WireFormatError(f"frame feedback of {len(body)} bytes has no room for its header")
    sender_ssrc, media_ssrc, _, version, count = _HEADER.unpack_from(body)
    if version != VERSION:
        raise WireFormatError(f"frame feedback version {version}, expected {VERSION}")
    items: list[Item] = []
    pos = _HEADER.size
    for _ in range(count):
        if pos + 2 > len(body):
            raise WireFormatError(f"frame feedback ends before item {len(items)} of {count}")
        word = body[pos] << 8 | body[pos + 1]
        pos, start = pos + 2 + (word & 0xFFF), pos + 2
        if pos > len(body):
            raise WireFormatError(f"frame feedback item of {word & 0xFFF} bytes runs beyond the packet")
        parse = _PARSERS.get(word >> 12)
        if parse is not None:
            items.append(parse(body[start:pos], newest_frame_id))
    return FrameFeedback(sender_ssrc, media_ssrc, tuple(items))


def build_feedback(items: Iterable[Item], sender_ssrc: int, media_ssrc: int, max_bytes: int = MAX_BYTES) -> list[bytes]:
    """Pack items, in order, into as few RTCP packets of about `max_bytes` as they need; a single item may be larger.

    Raises ValueError for fields that do not fit."""
    packets: list[bytes] = []
    contents: list[bytes] = []
    room = max_bytes - 4 - _HEADER.size

    def flush() -> None:
        header = _HEADER.pack(sender_ssrc, media_ssrc, IDENTIFIER, VERSION, len(contents))
        packets.append(build_rtcp(PSFB, FORMAT, header + b"".join(contents)))
        contents.clear()

    used = 0
    for item in items:
        content = _build_item(item)
        if contents and (used + len(content) > room or len(contents) == MAX_ITEMS):
            flush()
            used = 0
        contents.append(content)
        used += len(content)
    if contents:
        flush()
    return packets


def _build_item(item: Item) -> bytes:
    match item:
        case FrameReport():
            kind, content = _FRAME_REPORT, _build_report(item)
        case Pli():
            kind, content = _PLI, _FRAME_ID.pack(item.last_frame_id & 0xFFFF)
        case Nack():
            if not 0 <= item.wanted < 1 << MAX_TOTAL:
                raise ValueError(f"a NACK is about payloads 0 to {MAX_TOTAL - 1}")
            bitmap = item.wanted.to_bytes((item.wanted.bit_length() + 7) // 8, "little")
            kind, content = _NACK, _FRAME_ID.pack(item.frame_id & 0xFFFF) + bitmap
    return _ITEM.pack(kind << 12 | len(content)) + content


def _build_report(report: FrameReport) -> bytes:
    total, received = report.total, report.received
    if not 0 <= total <= MAX_TOTAL or not 0 <= received < 1 << total:
        raise ValueError(f"a bitmap of {received.bit_length()} bits about {total} payloads, at most {MAX_TOTAL}")
    complete = received == (1 << total) - 1
    head = _REPORT.pack(report.frame_id & 0xFFFF, (_COMPLETE if complete else 0) | total, report.lineage)
    return head if complete else head + received.to_bytes((total + 7) // 8, "little")


def _parse_report(content: bytes, newest_frame_id: int) -> FrameReport:
    if len(content) < _REPORT.size:
        raise WireFormatError(f"frame report of {len(content)} bytes")
    frame_id, total, lineage = _REPORT.unpack_from(content)
    complete = bool(total & _COMPLETE)
    total &= 0xFFF
    received = (1 << total) - 1
    if not complete:
        bitmap = content[_REPORT.size :]
        if len(bitmap) != (total + 7) // 8:
            raise WireFormatError(f"frame report: bitmap of {len(bitmap)} bytes about {total} payloads")
        received = int.from_bytes(bitmap, "little")
        if received >> total:
            raise WireFormatError(f"frame report: bitmap of {received.bit_length()} bits about {total} payloads")
    return FrameReport(nearest(newest_frame_id, frame_id, FRAME_ID_BITS), lineage, total, received)


def _parse_pli(content: bytes, newest_frame_id: int) -> Pli:
    if len(content) < _FRAME_ID.size:
        raise WireFormatError(f"PLI of {len(content)} bytes")
    return Pli(nearest(newest_frame_id, _FRAME_ID.unpack_from(content)[0], FRAME_ID_BITS))


def _parse_nack(content: bytes, newest_frame_id: int) -> Nack:
    if len(content) < _FRAME_ID.size:
        raise WireFormatError(f"NACK of {len(content)} bytes")
    wanted = int.from_bytes(content[_FRAME_ID.size :], "little")
    if wanted >> MAX_TOTAL:
        raise WireFormatError(f"NACK: bitmap of {wanted.bit_length()} bits, at most {MAX_TOTAL}")
    return Nack(nearest(newest_frame_id, _FRAME_ID.unpack_from(content)[0], FRAME_ID_BITS), wanted)


_PARSERS: dict[int, Callable[[bytes, int], Item]] = {
    _FRAME_REPORT: _parse_report,
    _PLI: _parse_pli,
    _NACK: _parse_nack,
}
