"""Routes packets that arrive on a DTLS transport to the GRACE streams on it.

Owns finding our packets in a datagram; what is not ours goes on to aiortc. aiortc's own parser must not see our
feedback: it reads every transport-layer feedback message (RFC 4585 section 6.2) as a list of lost packets. Datagrams
here have passed SRTP, so they are the peer's own, but they may be malformed all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from grace_transport.aiortc_plugin.internals import route_rtp
from grace_transport.errors import WireFormatError
from grace_transport.wire.feedback import is_frame_feedback
from grace_transport.wire.rtcp import RtcpPacket, parse_rtcp
from grace_transport.wire.rtp import HEADER_BYTES
from grace_transport.wire.twcc import is_twcc

if TYPE_CHECKING:
    from aiortc import RTCDtlsTransport, RTCRtpReceiver

    from grace_transport.aiortc_plugin.streams import IncomingStream, OutgoingStream

_SSRCS = Struct("!II")  # sender and media SSRC, with which every feedback message begins (RFC 4585 section 6.1)


class SplitRtcp(NamedTuple):
    """`ours`: media SSRC and packet. `rest`: the bytes of all other packets, in order; b"" if there are none."""

    ours: tuple[tuple[int, RtcpPacket], ...]
    rest: bytes


def split_rtcp(data: bytes) -> SplitRtcp:
    """Take transport-wide and frame feedback out of one RTCP datagram.

    A datagram that is no valid compound is left whole: aiortc's parser rejects it."""
    ours: list[tuple[int, RtcpPacket]] = []
    rest: list[bytes] = []
    pos = 0
    while pos < len(data):
        try:
            packet, end = parse_rtcp(data, pos)
        except WireFormatError:
            return SplitRtcp((), data)
        if (is_twcc(packet) or is_frame_feedback(packet)) and len(packet.body) >= _SSRCS.size:
            ours.append((_SSRCS.unpack_from(packet.body)[1], packet))
        else:
            rest.append(data[pos:end])
        pos = end
    return SplitRtcp(tuple(ours), b"".join(rest))


@dataclass(slots=True)
class _Streams:
    """The GRACE streams of one transport."""

    outgoing: dict[int, OutgoingStream] = field(default_factory=dict)  # by SSRC
    incoming: dict[RTCRtpReceiver, IncomingStream] = field(default_factory=dict)
    payload_types: set[int] = field(default_factory=set)


class Routes:
    """All GRACE streams of this process."""

    def __init__(self) -> None:
        self._by_transport: WeakKeyDictionary[RTCDtlsTransport, _Streams] = WeakKeyDictionary()

    def add_outgoing(self, transport: RTCDtlsTransport, ssrc: int, stream: OutgoingStream) -> None:
        """Feedback about `ssrc` goes to this stream from now on."""
        self._streams(transport).outgoing[ssrc] = stream

    def remove_outgoing(self, transport: RTCDtlsTransport, ssrc: int) -> None:
        """The stream has ended. It is no error if there is none."""
        self._streams(transport).outgoing.pop(ssrc, None)

    def outgoing(self, transport: RTCDtlsTransport, ssrc: int) -> OutgoingStream | None:
        """The stream that sends under `ssrc`, if there is one."""
        return self._streams(transport).outgoing.get(ssrc)

    def add_incoming(self, transport: RTCDtlsTransport, receiver: RTCRtpReceiver, stream: IncomingStream) -> None:
        """RTP packets of the stream's payload type that aiortc routes to `receiver` go to it from now on."""
        streams = self._streams(transport)
        streams.incoming[receiver] = stream
        streams.payload_types.add(stream.payload_type)

    def incoming(self, receiver: RTCRtpReceiver) -> IncomingStream | None:
        """The stream of a receiver, if it has one."""
        streams = self._by_transport.get(receiver.transport)
        return None if streams is None else streams.incoming.get(receiver)

    def remove_incoming(self, receiver: RTCRtpReceiver) -> IncomingStream | None:
        """Take out the stream of a receiver and return it, if it has one."""
        streams = self._by_transport.get(receiver.transport)
        return None if streams is None else streams.incoming.pop(receiver, None)

    def all(self) -> Iterator[OutgoingStream | IncomingStream]:
        """All streams of all transports."""
        for streams in list(self._by_transport.values()):
            yield from list(streams.outgoing.values())
            yield from list(streams.incoming.values())

    def clear(self) -> None:
        """Forget all streams."""
        self._by_transport.clear()

    def take_rtp(self, transport: RTCDtlsTransport, data: bytes) -> bool:
        """Hand an RTP packet to its GRACE stream; False if it is of none, and aiortc should have it.

        aiortc's router decides which receiver gets it, by SSRC or payload type."""
        streams = self._by_transport.get(transport)
        if streams is None or len(data) < HEADER_BYTES or data[1] & 0x7F not in streams.payload_types:
            return False
        payload_type = data[1] & 0x7F
        receiver = route_rtp(transport, payload_type, int.from_bytes(data[8:12], "big"))
        stream = streams.incoming.get(receiver) if receiver is not None else None
        if stream is None or stream.payload_type != payload_type:
            return False
        stream.receive_rtp(data)
        return True

    def take_rtcp(self, transport: RTCDtlsTransport, data: bytes) -> bytes:
        """Hand our feedback to its stream, and return the rest for aiortc (b"" if nothing is left)."""
        streams = self._by_transport.get(transport)
        if streams is None or not streams.outgoing:
            return data
        ours, rest = split_rtcp(data)
        for media_ssrc, packet in ours:
            # Feedback about no stream of ours goes to any of them, which rejects and counts it.
            stream = streams.outgoing.get(media_ssrc) or next(iter(streams.outgoing.values()))
            stream.receive_rtcp(packet)
        return rest

    def _streams(self, transport: RTCDtlsTransport) -> _Streams:
        return self._by_transport.setdefault(transport, _Streams())
