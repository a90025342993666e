"""Every private name of aiortc that the plug-in uses, in one place. Read and written through here alone.

Checked against the versions that `version.TESTED` names; a name that is gone raises AttributeError.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver, RTCRtpSender
    from aiortc.mediastreams import MediaStreamTrack
    from aiortc.rtp import HeaderExtensionsMap


def private(owner: object, of_class: str, name: str) -> Any:
    """`owner.__name`, as a method of `of_class` would write it."""
    return getattr(owner, f"_{of_class}__{name}")


def set_private(owner: object, of_class: str, name: str, value: object) -> None:
    mangled = f"_{of_class}__{name}"
    getattr(owner, mangled)  # a name that is gone must not be made up
    setattr(owner, mangled, value)


def transport_seq_id(extensions: HeaderExtensionsMap) -> int | None:
    """The negotiated id of the transport-wide sequence number."""
    number = private(extensions, "HeaderExtensionsMap", "ids").transport_sequence_number
    return None if number is None else int(number)


class SenderInternals:
    """What `RTCRtpSender._run_rtp` reads and writes."""

    def __init__(self, sender: RTCRtpSender) -> None:
        self._sender = sender

    def _get(self, name: str) -> Any:
        return private(self._sender, "RTCRtpSender", name)

    def _set(self, name: str, value: object) -> None:
        set_private(self._sender, "RTCRtpSender", name, value)

    @property
    def track(self) -> MediaStreamTrack | None:
        track: MediaStreamTrack | None = self._get("track")
        return track

    def end_track(self) -> None:
        if (track := self.track) is not None:
            track.stop()
            self._set("track", None)

    @property
    def started(self) -> asyncio.Event:
        event: asyncio.Event = self._get("rtp_started")
        return event

    @property
    def exited(self) -> asyncio.Event:
        event: asyncio.Event = self._get("rtp_exited")
        return event

    @property
    def transport_seq_id(self) -> int | None:
        return transport_seq_id(self._get("rtp_header_extensions_map"))

    def count_sent(self, ntp_timestamp: int, rtp_timestamp: int, payload_bytes: int) -> None:
        """What sender reports and `getStats` say: one packet more, and which RTP time it is now."""
        self._set("ntp_timestamp", ntp_timestamp)
        self._set("rtp_timestamp", rtp_timestamp)
        self._set("octet_count", self._get("octet_count") + payload_bytes)
        self._set("packet_count", self._get("packet_count") + 1)


class ReceiverInternals:
    """What `RTCRtpReceiver` keeps of a stream."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver

    def _get(self, name: str) -> Any:
        return private(self._receiver, "RTCRtpReceiver", name)

    @property
    def feedback_ssrc(self) -> int | None:
        ssrc: int | None = self._get("rtcp_ssrc")
        return ssrc

    @property
    def listening(self) -> bool:
        """False before `receive`, and once the track has ended (BYE, disconnection, stop)."""
        return self._get("decoder_thread") is not None

    @property
    def pictures(self) -> asyncio.Queue[Any] | None:
        """What `track.recv` reads; None is its end."""
        return getattr(self._receiver.track, "_queue", None)

    def forget_codec(self, payload_type: int) -> None:
        self._get("codecs").pop(payload_type, None)

    def count_received(self, seq: int, timestamp: int, ssrc: int, clock_hz: int) -> None:
        """What receiver reports and `getStats` say."""
        from aiortc import clock
        from aiortc.rtcrtpreceiver import StreamStatistics
        from aiortc.rtp import RtpPacket

        self._get("active_ssrc")[ssrc] = clock.current_datetime()
        streams = self._get("remote_streams")
        if ssrc not in streams:
            streams[ssrc] = StreamStatistics(clock_hz)
        streams[ssrc].add(RtpPacket(sequence_number=seq, timestamp=timestamp, ssrc=ssrc))
