"""Transport-wide feedback on the wire: RTCP 205 format 15 (draft-holmer-rmcat-transport-wide-cc-extensions-01).

Owns chunks, deltas and the 64 ms reference clock. The recorder decides when to report; congestion control decides what
a report means. Where other readers differ, this one follows libwebrtc (`rtcp_packet/transport_feedback.cc`)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from struct import Struct

from grace_transport.errors import WireFormatError
from grace_transport.types import Feedback
from grace_transport.wire.rtcp import RTPFB, RtcpPacket, build_rtcp
from grace_transport.wire.seq import Unwrapper, nearest

FORMAT = 15
DELTA_UNIT_US = 250
REFERENCE_UNIT_US = 64_000
REFERENCE_BITS = 24  # signed; wraps every 12.4 days
MAX_STATUS_COUNT = 0xFFFF
MAX_GAP = 0x8000  # a 16-bit number further ahead would count as older

LOST, SMALL, LARGE, NO_DELTA = range(4)  # status symbols

_MAX_RUN = 0x1FFF
_HEADER = Struct("!IIHHI")  # sender SSRC, media SSRC, base seq, status count, reference time (24) | feedback count (8)
_U16 = Struct("!H")
_S16 = Struct("!h")
_ASCII_BITS = bytes.maketrans(b"01", b"\x00\x01")


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """One report as it is on the wire. `symbols` has one byte per status, for the numbers from `base_seq` (16 bit) on.

    `deltas_us` holds one delta for each SMALL or LARGE symbol, the first relative to the reference time (signed 24 bit,
    64 ms units), or is None where the report came without times."""

    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    feedback_count: int
    reference_time_64ms: int
    symbols: bytes
    deltas_us: tuple[int, ...] | None


def is_twcc(packet: RtcpPacket) -> bool:
    """Whether this is transport-wide feedback."""
    return packet.packet_type == RTPFB and packet.count == FORMAT


def parse_twcc(packet: RtcpPacket) -> TransportFeedback:
    """Read one report. Work is bounded by the bytes, not by the counts in them. Raises WireFormatError."""
    body = packet.body
    if not is_twcc(packet):
        raise WireFormatError(f"RTCP {packet.packet_type}/{packet.count} is no transport-wide feedback")
    if len(body) < _HEADER.size + 2:
        raise WireFormatError(f"transport-wide feedback of {len(body)} bytes has no room for a chunk")
    sender_ssrc, media_ssrc, base_seq, count, clock = _HEADER.unpack_from(body)
    if count == 0:
        raise WireFormatError("transport-wide feedback about no packet")
    symbols, pos = _parse_chunks(body, _HEADER.size, count)
    reference = clock >> 8
    if reference >= 1 << (REFERENCE_BITS - 1):
        reference -= 1 << REFERENCE_BITS
    deltas = _parse_deltas(body, pos, symbols)
    return TransportFeedback(sender_ssrc, media_ssrc, base_seq, clock & 0xFF, reference, symbols, deltas)


class TwccReader:
    """Turns reports into `Feedback` at the sender: it unwraps sequence numbers and the reference clock."""

    def __init__(self) -> None:
        self._reference = Unwrapper(REFERENCE_BITS)

    def read(self, report: TransportFeedback, newest_sent_seq: int) -> Feedback:
        """The statuses up to `newest_sent_seq` (unwrapped). Packets that were received without a time are left out.

        Raises WireFormatError if the report is only about packets that were never sent."""
        base = nearest(newest_sent_seq, report.base_seq, 16)
        if base > newest_sent_seq:
            raise WireFormatError(f"feedback about packet {base}, newest sent is {newest_sent_seq}")
        now_us = self._reference.unwrap(report.reference_time_64ms % (1 << REFERENCE_BITS)) * REFERENCE_UNIT_US
        deltas = iter(report.deltas_us) if report.deltas_us is not None else None
        arrivals: list[tuple[int, int | None]] = []
        for seq, symbol in zip(range(base, newest_sent_seq + 1), report.symbols, strict=False):
            if symbol == LOST:
                arrivals.append((seq, None))
            elif symbol != NO_DELTA and deltas is not None:
                now_us += next(deltas)
                arrivals.append((seq, now_us))
        return Feedback(tuple(arrivals))


class TwccBuilder:
    """Builds one report. Packets are added in sequence order; one that does not fit is refused."""

    def __init__(self, base_seq: int, base_time_us: int, *, include_times: bool = True) -> None:
        self._base_seq = base_seq
        self._reference = base_time_us // REFERENCE_UNIT_US
        self._last_us = self._reference * REFERENCE_UNIT_US
        self._include_times = include_times
        self._seqs: list[int] = []
        self._deltas: list[int] = []  # in delta units

    def add(self, seq: int, arrived_us: int) -> bool:
        """Add packet `seq` (unwrapped). False, and no change, if its place or its time does not fit this report."""
        last = self._seqs[-1] if self._seqs else self._base_seq - 1
        if not last < seq <= last + MAX_GAP or seq - self._base_seq >= MAX_STATUS_COUNT:
            return False
        ahead_us = arrived_us - self._last_us
        delta = (abs(ahead_us) + DELTA_UNIT_US // 2) // DELTA_UNIT_US * (1 if ahead_us >= 0 else -1)
        if not -0x8000 <= delta <= 0x7FFF:
            return False
        self._last_us += delta * DELTA_UNIT_US  # the rounding error is carried, not added up
        self._seqs.append(seq)
        self._deltas.append(delta)
        return True

    def build(self, sender_ssrc: int, media_ssrc: int, feedback_count: int) -> bytes:
        """The whole RTCP packet. Raises ValueError if no packet was added."""
        if not self._seqs:
            raise ValueError("a report is about at least one received packet")
        count = self._seqs[-1] - self._base_seq + 1
        clock = self._reference % (1 << REFERENCE_BITS) << 8 | feedback_count & 0xFF
        header = _HEADER.pack(sender_ssrc, media_ssrc, self._base_seq & 0xFFFF, count, clock)
        deltas = b"".join(map(_pack_delta, self._deltas)) if self._include_times else b""
        return build_rtcp(RTPFB, FORMAT, header + pack_chunks(self._symbols()) + deltas)

    def _symbols(self) -> bytes:
        parts = [bytes(self._seqs[0] - self._base_seq), _symbol(self._deltas[0])]
        for (before, seq), delta in zip(pairwise(self._seqs), self._deltas[1:], strict=True):
            parts.append(bytes(seq - before - 1))
            parts.append(_symbol(delta))
        return b"".join(parts)


def pack_chunks(symbols: bytes) -> bytes:
    """Statuses to 16-bit chunks, greedily as libwebrtc does: a run if there is one, else 14 short or 7 long symbols."""
    chunks = []
    pos = 0
    while pos < len(symbols):
        rest = symbols[pos : pos + _MAX_RUN]
        run = len(rest) - len(rest.lstrip(rest[:1]))
        window = rest[:14]
        if run == len(rest) or run >= 14 or (run >= 7 and LARGE in rest[: run + 1]):
            chunks.append(_U16.pack(rest[0] << 13 | run))
            pos += run
        elif len(window) > 7 and LARGE not in window and NO_DELTA not in window:
            chunks.append(_U16.pack(0x8000 | _bits(window, 1) << (14 - len(window))))
            pos += len(window)
        else:
            window = window[:7]
            chunks.append(_U16.pack(0xC000 | _bits(window, 2) << 2 * (7 - len(window))))
            pos += len(window)
    return b"".join(chunks)


def unpack_chunk(word: int) -> bytes:
    """The statuses of one chunk."""
    if word < 0x8000:
        return bytes((word >> 13,)) * (word & _MAX_RUN)
    if word < 0xC000:
        return f"{word & 0x3FFF:014b}".encode().translate(_ASCII_BITS)
    return bytes([word >> shift & 3 for shift in range(12, -1, -2)])


def _parse_chunks(body: bytes, pos: int, count: int) -> tuple[bytes, int]:
    """The first `count` statuses, and where the deltas start."""
    parts = []
    left = count
    while left > 0:
        if pos + 2 > len(body):
            raise WireFormatError(f"chunks end {left} short of {count} statuses")
        part = unpack_chunk(body[pos] << 8 | body[pos + 1])
        parts.append(part[:left])
        left -= len(part)
        pos += 2
    return b"".join(parts), pos


def _parse_deltas(body: bytes, pos: int, symbols: bytes) -> tuple[int, ...] | None:
    small, large = symbols.count(SMALL), symbols.count(LARGE)
    if pos + small + 2 * large > len(body):
        return None  # as libwebrtc reads it: a report without times
    if not large:
        return tuple([DELTA_UNIT_US * byte for byte in body[pos : pos + small]])
    deltas = []
    for symbol in symbols:
        if symbol == SMALL:
            deltas.append(body[pos] * DELTA_UNIT_US)
            pos += 1
        elif symbol == LARGE:
            deltas.append(_S16.unpack_from(body, pos)[0] * DELTA_UNIT_US)
            pos += 2
    return tuple(deltas)


def _symbol(delta: int) -> bytes:
    return b"\x01" if 0 <= delta <= 0xFF else b"\x02"


def _pack_delta(delta: int) -> bytes:
    return bytes((delta,)) if 0 <= delta <= 0xFF else _S16.pack(delta)


def _bits(symbols: bytes, width: int) -> int:
    word = 0
    for symbol in symbols:
        word = word << width | symbol
    return word
