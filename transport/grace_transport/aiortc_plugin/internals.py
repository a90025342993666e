"""Every private name of aiortc that this project uses. No other module reads, writes or replaces one; a test says so.

Checked against the versions that `installation.TESTED` names. A name that is gone raises AttributeError where a GRACE
stream needs it; the two functions about aiortc's own streams then return None.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aiortc import RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
    from aiortc.mediastreams import MediaStreamTrack
    from aiortc.rtp import HeaderExtensionsMap

# Private methods that `installation` replaces.
SENDER_RUN: Final = "_run_rtp"  # RTCRtpSender: reads the track, encodes and sends until the track ends
RECEIVER_DISCONNECT: Final = "_handle_disconnect"  # RTCRtpReceiver: the DTLS transport has closed
RECEIVER_RTCP: Final = "_handle_rtcp_packet"  # RTCRtpReceiver: one parsed RTCP packet about its streams
TRANSPORT_RTP: Final = "_handle_rtp_data"  # RTCDtlsTransport: one decrypted RTP datagram
TRANSPORT_RTCP: Final = "_handle_rtcp_data"  # RTCDtlsTransport: one decrypted RTCP datagram


def send_over(transport: RTCDtlsTransport) -> Callable[[bytes], Awaitable[None]]:
    """The coroutine function that encrypts and sends one RTP or RTCP datagram."""
    return transport._send_rtp


def route_rtp(transport: RTCDtlsTransport, payload_type: int, ssrc: int) -> RTCRtpReceiver | None:
    """The receiver that aiortc's router finds for a packet: by SSRC, else by payload type."""
    from aiortc import RTCRtpReceiver
    from aiortc.rtp import RtpPacket

    found = transport._rtp_router.route_rtp(RtpPacket(payload_type=payload_type, ssrc=ssrc))
    return found if isinstance(found, RTCRtpReceiver) else None


def sender_ssrc(sender: RTCRtpSender) -> int:
    """The SSRC of a sender's packets, which its description names."""
    return sender._ssrc


class SenderInternals:
    """The parts of an `RTCRtpSender` that its own `_run_rtp` reads and writes."""

    def __init__(self, sender: RTCRtpSender) -> None:
        self._sender = sender

    def _get(self, name: str) -> Any:
        return _private(self._sender, "RTCRtpSender", name)

    def _set(self, name: str, value: object) -> None:
        _set_private(self._sender, "RTCRtpSender", name, value)

    @property
    def enabled(self) -> bool:
        """Whether the direction that was agreed on lets this end send."""
        return self._sender._enabled

    @property
    def track(self) -> MediaStreamTrack | None:
        """The track to send; `replaceTrack` may change it, or take it away."""
        track: MediaStreamTrack | None = self._get("track")
        return track

    def end_track(self) -> None:
        """Stop the track and let go of it."""
        if (track := self.track) is not None:
            track.stop()
            self._set("track", None)

    @property
    def started(self) -> asyncio.Event:
        """`RTCRtpSender.send` waits for it."""
        event: asyncio.Event = self._get("rtp_started")
        return event

    @property
    def exited(self) -> asyncio.Event:
        """`RTCRtpSender.stop` waits for it."""
        event: asyncio.Event = self._get("rtp_exited")
        return event

    @property
    def transport_seq_id(self) -> int | None:
        """The negotiated header extension id of the transport-wide sequence number."""
        extensions: HeaderExtensionsMap = self._get("rtp_header_extensions_map")
        number = _private(extensions, "HeaderExtensionsMap", "ids").transport_sequence_number
        return None if number is None else int(number)

    def count_sent(self, ntp_timestamp: int, rtp_timestamp: int, payload_bytes: int) -> None:
        """One packet was sent: sender reports and `getStats` tell the counts and the pair of times."""
        self._set("ntp_timestamp", ntp_timestamp)
        self._set("rtp_timestamp", rtp_timestamp)
        self._set("octet_count", self._get("octet_count") + payload_bytes)
        self._set("packet_count", self._get("packet_count") + 1)


class ReceiverInternals:
    """The parts of an `RTCRtpReceiver` that belong to a stream."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver

    def _get(self, name: str) -> Any:
        return _private(self._receiver, "RTCRtpReceiver", name)

    @property
    def enabled(self) -> bool:
        """Whether the direction that was agreed on lets this end receive."""
        return self._receiver._enabled

    @property
    def feedback_ssrc(self) -> int | None:
        """The SSRC under which this receiver reports."""
        ssrc: int | None = self._get("rtcp_ssrc")
        return ssrc

    @property
    def listening(self) -> bool:
        """False before `receive`, and once the track has ended (BYE, disconnection, stop)."""
        return self._get("decoder_thread") is not None

    @property
    def frames(self) -> asyncio.Queue[Any] | None:
        """The queue that `track.recv` reads; a None in it ends the track."""
        return getattr(self._receiver.track, "_queue", None)

    def forget_codec(self, payload_type: int) -> None:
        """Packets of this payload type are dropped from now on, instead of being decoded."""
        self._get("codecs").pop(payload_type, None)

    def count_received(self, seq: int, timestamp: int, ssrc: int, clock_hz: int) -> None:
        """One packet came: receiver reports and `getStats` tell the counts, the loss and the jitter."""
        from aiortc import clock
        from aiortc.rtcrtpreceiver import StreamStatistics
        from aiortc.rtp import RtpPacket

        self._get("active_ssrc")[ssrc] = clock.current_datetime()
        streams = self._get("remote_streams")
        if ssrc not in streams:
            streams[ssrc] = StreamStatistics(clock_hz)
        streams[ssrc].add(RtpPacket(sequence_number=seq, timestamp=timestamp, ssrc=ssrc))


def bound_gathering(connection: RTCPeerConnection, limit_s: float) -> None:
    """Let the ICE agents of a peer connection wait for STUN and TURN servers no longer than `limit_s` (aioice: 5 s).

    Where nothing but loopback is up they offer 127.0.0.1, which aioice leaves out: two ends on one machine that has no
    network still find each other."""
    for transceiver in connection.getTransceivers():
        agent = transceiver.sender.transport.transport.iceGatherer._connection
        if not hasattr(agent.get_component_candidates, "bounded"):
            bounded = _Bounded(agent.get_component_candidates, limit_s)
            agent.get_component_candidates = bounded  # type: ignore[method-assign, assignment]


class _Bounded:
    """aioice's way of gathering, with a limit."""

    bounded = True

    def __init__(self, gather: Callable[..., Awaitable[list[Any]]], limit_s: float) -> None:
        self._gather, self._limit_s = gather, limit_s

    async def __call__(self, component: int, addresses: list[str]) -> list[Any]:
        return await self._gather(component, addresses or ["127.0.0.1"], timeout=self._limit_s)


# aiortc's own streams (VP8, H.264): it alone knows their RTP timestamps, and no public name tells them.


def sent_timestamp(sender: object) -> int | None:
    """The RTP timestamp (32 bit) of the last packet that an `RTCRtpSender` sent; None before the first one."""
    timestamp = getattr(sender, "_RTCRtpSender__rtp_timestamp", None)
    return timestamp if isinstance(timestamp, int) and timestamp else None


def shown_timestamp(receiver: object, pts: int) -> int | None:
    """The RTP timestamp (32 bit) of the frame with this `pts` from an `RTCRtpReceiver`; None if not to be had."""
    origin = getattr(getattr(receiver, "_RTCRtpReceiver__timestamp_mapper", None), "_origin", None)
    return (origin + pts) & 0xFFFFFFFF if isinstance(origin, int) else None


def _private(owner: object, of_class: str, name: str) -> Any:
    """`owner.__name`, as a method of `of_class` would write it (Python mangles such names)."""
    return getattr(owner, f"_{of_class}__{name}")


def _set_private(owner: object, of_class: str, name: str, value: object) -> None:
    mangled = f"_{of_class}__{name}"
    getattr(owner, mangled)  # raises AttributeError if the name is gone: setattr would create it
    setattr(owner, mangled, value)
