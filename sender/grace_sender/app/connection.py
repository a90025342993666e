"""The sending end of one call: a peer connection, an offer, an answer, statistics. A plain aiortc application.

Owns the connection. Refuses to decide when to call (`reconnect`) and what to send (`capture`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from grace_sender.app.capture import Capture, Feed
from grace_transport.aiortc_plugin.internals import bound_gathering, sent_timestamp
from grace_transport.signalling import (
    GarbledReplyError,
    OfferRefusedError,
    PeerUnreachableError,
    SignallingClient,
    parse_ice_server,
)
from grace_transport.signalling.sdp import chosen_video_codec

CLOSE_S: Final = 2.0
CODEC_WAIT_S: Final = 15.0  # a file does not wait longer than this for the codec
GATHER_S: Final = 2.0
"""Of waiting for STUN and TURN servers: one that is silent must not keep peers apart that see each other."""


class CaptureTrack(MediaStreamTrack):
    """The feed as aiortc wants it. `on_captured` gets every frame with its RTP timestamp, where that can be known
    (aiortc's own codecs): then a frame is told when the next one is asked for. A frame that was not sent, because the
    call ended meanwhile, has no timestamp.

    A file waits until `codec_ready` is set: else its beginning would be lost while the codec is loaded. A camera has no
    such event, and aiortc's own codecs (`plain_sender`) need no time."""

    kind = "video"

    def __init__(
        self,
        feed: Feed,
        on_captured: Callable[[Capture, int | None], None],
        codec_ready: asyncio.Event | None = None,
    ) -> None:
        super().__init__()
        self.codec_ready = codec_ready
        self._feed = feed
        self._on_captured = on_captured
        self._untold: Capture | None = None
        self._last_sent: int | None = None
        self.plain_sender: RTCRtpSender | None = None
        self.ended_itself = False

    async def recv(self) -> VideoFrame:
        """The next frame that is due. MediaStreamError at the end of the source."""
        self._tell()
        if self.readyState != "live":
            raise MediaStreamError
        if self.plain_sender is None and self.codec_ready is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CODEC_WAIT_S):
                    await self.codec_ready.wait()
        capture = await self._feed.next()
        if capture is None:
            self.ended_itself = True
            self.stop()
            raise MediaStreamError
        self._untold = capture
        if self.plain_sender is None:
            self._tell()
        return capture.video

    def stop(self) -> None:
        """The call is over; what was captured is told."""
        self._tell()
        super().stop()

    def _tell(self) -> None:
        capture, self._untold = self._untold, None
        if capture is None:
            return
        sent = sent_timestamp(self.plain_sender) if self.plain_sender is not None else None
        self._on_captured(capture, sent if sent != self._last_sent else None)
        self._last_sent = sent


@dataclass(frozen=True, slots=True)
class SendingTotals:
    """Totals of a call. None: the codec has no such thing, or (`rtt_s`, and `loss` from 0 to 1) no report came yet."""

    bytes_sent: int = 0
    packets_sent: int = 0
    bytes_received: int = 0
    rtt_s: float | None = None
    loss: float | None = None
    target_bps: int | None = None
    resyncs: int | None = None
    frames: int | None = None


class SendingConnection:
    """A peer connection that sends one track. `on_state` gets every connectionState. Nothing but `place` raises."""

    def __init__(self, track: CaptureTrack, ice_servers: tuple[str, ...], on_state: Callable[[str], None]) -> None:
        servers = [
            RTCIceServer(server.url, server.username, server.password) for server in map(parse_ice_server, ice_servers)
        ]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._track = track
        self._sender = self._connection.addTransceiver(track, direction="sendonly").sender
        self.codec = ""
        self._connection.on("connectionstatechange", lambda: on_state(self._connection.connectionState))

    async def place(self, client: SignallingClient, session: str, only: str | None) -> None:
        """Offer and answer. `only`: the codec to offer, all others left out.

        Raises SignallingError where the peer cannot be had or does not want."""
        if only is not None:
            self._prefer(only)
        bound_gathering(self._connection, GATHER_S)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        if "a=candidate" not in self._connection.localDescription.sdp:
            raise PeerUnreachableError("this machine has no network address to call from; connect it to a network")
        answer = await client.offer(self._connection.localDescription.sdp, session)
        self.codec = chosen_video_codec(answer)
        if not self.codec:
            raise OfferRefusedError(f"{client.url}: the peer takes no video; no codec in common")
        if self.codec.upper() != "GRACE":
            self._track.plain_sender = self._sender
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except (InvalidAccessError, InvalidStateError, OperationError, ValueError, KeyError, IndexError) as error:
            raise GarbledReplyError(f"{client.url}: its answer is of no use ({error})") from error

    async def totals(self) -> SendingTotals:
        """What `getStats` counts up to now."""
        report = {stat.type: vars(stat) for stat in (await self._connection.getStats()).values()}
        sent, transport = report.get("outbound-rtp", {}), report.get("transport", {})
        remote = report.get("remote-inbound-rtp", {})
        fraction = remote.get("fractionLost")
        return SendingTotals(
            bytes_sent=transport.get("bytesSent", 0),
            packets_sent=sent.get("packetsSent", 0),
            bytes_received=transport.get("bytesReceived", 0),
            rtt_s=sent.get("roundTripTime") or remote.get("roundTripTime"),
            loss=None if fraction is None else fraction / 256,
            target_bps=sent.get("targetBitrate"),
            resyncs=sent.get("resyncs"),
            frames=sent.get("framesSent"),
        )

    async def close(self) -> None:
        """Within CLOSE_S, whatever the state."""
        self._connection.remove_all_listeners()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()

    def _prefer(self, name: str) -> None:
        codecs = [
            codec
            for codec in RTCRtpSender.getCapabilities("video").codecs
            if codec.mimeType.lower() in (f"video/{name}", "video/rtx")
        ]
        self._connection.getTransceivers()[0].setCodecPreferences(codecs)
