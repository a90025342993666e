"""Which GRACE streams are on which DTLS transport, and where a packet that arrives there goes.

Owns looking packets over; hands on what is not ours. Packets here have passed SRTP, so they are the peer's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from grace_transport.aiortc_plugin.rtcp_split import split_rtcp
from grace_transport.wire.rtp import HEADER_BYTES

if TYPE_CHECKING:
    from aiortc import RTCDtlsTransport, RTCRtpReceiver

    from grace_transport.aiortc_plugin.receiving import Receiving


class RtcpTaker(Protocol):
    """A stream that is being sent."""

    def receive_rtcp(self, data: bytes) -> None: ...

    def stats(self) -> Any: ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class _Streams:
    senders: dict[int, RtcpTaker] = field(default_factory=dict)  # by SSRC
    receivings: dict[RTCRtpReceiver, Receiving] = field(default_factory=dict)
    payload_types: set[int] = field(default_factory=set)


class Routes:
    """All GRACE streams of this process."""

    def __init__(self) -> None:
        self._by_transport: WeakKeyDictionary[RTCDtlsTransport, _Streams] = WeakKeyDictionary()

    def add_sender(self, transport: RTCDtlsTransport, ssrc: int, sender: RtcpTaker) -> None:
        self._streams(transport).senders[ssrc] = sender

    def remove_sender(self, transport: RTCDtlsTransport, ssrc: int) -> None:
        self._streams(transport).senders.pop(ssrc, None)

    def sender(self, transport: RTCDtlsTransport, ssrc: int) -> RtcpTaker | None:
        return self._streams(transport).senders.get(ssrc)

    def add_receiving(self, transport: RTCDtlsTransport, receiver: RTCRtpReceiver, receiving: Receiving) -> None:
        streams = self._streams(transport)
        streams.receivings[receiver] = receiving
        streams.payload_types.add(receiving.payload_type)

    def receiving(self, receiver: RTCRtpReceiver) -> Receiving | None:
        streams = self._by_transport.get(receiver.transport)
        return None if streams is None else streams.receivings.get(receiver)

    def remove_receiving(self, receiver: RTCRtpReceiver) -> Receiving | None:
        streams = self._by_transport.get(receiver.transport)
        return None if streams is None else streams.receivings.pop(receiver, None)

    def all(self) -> Iterator[RtcpTaker | Receiving]:
        for streams in list(self._by_transport.values()):
            yield from list(streams.senders.values())
            yield from list(streams.receivings.values())

    def clear(self) -> None:
        self._by_transport.clear()

    def take_rtp(self, transport: RTCDtlsTransport, data: bytes) -> bool:
        """Whether the packet was ours. Which receiver gets it is for aiortc's router to say (SSRC, payload type)."""
        streams = self._by_transport.get(transport)
        if streams is None or len(data) < HEADER_BYTES or data[1] & 0x7F not in streams.payload_types:
            return False
        from aiortc.rtp import RtpPacket

        outside = RtpPacket(payload_type=data[1] & 0x7F, ssrc=int.from_bytes(data[8:12], "big"))
        receiver = transport._rtp_router.route_rtp(outside)
        receiving = streams.receivings.get(receiver) if receiver is not None else None  # type: ignore[call-overload]
        if receiving is None or receiving.payload_type != outside.payload_type:
            return False
        receiving.receive_rtp(data)
        return True

    def take_rtcp(self, transport: RTCDtlsTransport, data: bytes) -> bytes:
        """Hand our feedback to its sender; return what is left for aiortc."""
        streams = self._by_transport.get(transport)
        if streams is None or not streams.senders:
            return data
        ours, rest = split_rtcp(data)
        for media_ssrc, packet in ours:
            # Feedback about no stream of ours goes to any of them, which rejects and counts it.
            sender = streams.senders.get(media_ssrc) or next(iter(streams.senders.values()))
            sender.receive_rtcp(packet)
        return rest

    def _streams(self, transport: RTCDtlsTransport) -> _Streams:
        return self._by_transport.setdefault(transport, _Streams())
