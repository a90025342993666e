"""The receiving end of one call: a peer connection, the answer, the frames of its video track, statistics.

A plain aiortc application. Refuses to decide who may call (`admission`) and what becomes of frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from grace_receiver.live.events import FrameDelivered
from grace_transport.aiortc_plugin.internals import bound_gathering, shown_timestamp
from grace_transport.runtime.live_end import TimedEvent
from grace_transport.signalling import OfferRefusedError, parse_ice_server
from grace_transport.signalling.sdp import chosen_video_codec

_log = logging.getLogger(__name__)

CLOSE_S: Final = 2.0
GATHER_S: Final = 2.0  # of waiting for STUN and TURN servers, as at the sending end


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame of the track and the RTP timestamp with which it was sent."""

    video: VideoFrame
    rtp_timestamp: int


@dataclass(frozen=True, slots=True)
class ReceivingTotals:
    """Totals of a call. `partial` (frames), `resyncs`: None where the codec has no such thing. `frames` were shown."""

    packets_received: int = 0
    bytes_received: int = 0
    media_packets: int = 0
    packets_lost: int = 0
    partial: int | None = None
    resyncs: int | None = None
    frames: int = 0


class ReceivingConnection:
    """A peer connection that receives. `on_frame` gets every frame of its video track as it is due, `on_state` every
    connectionState. Nothing but `answer` raises."""

    def __init__(
        self, ice_servers: tuple[str, ...], on_frame: Callable[[TimedFrame], None], on_state: Callable[[str], None]
    ) -> None:
        servers = [
            RTCIceServer(server.url, server.username, server.password) for server in map(parse_ice_server, ice_servers)
        ]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._on_frame = on_frame
        self._watching: asyncio.Task[None] | None = None
        self._sink = MediaBlackhole()
        self._origin: int | None = None  # RTP timestamp of the first frame of a GRACE stream
        self.codec = ""
        self._connection.on("track", self._on_track)
        self._connection.on("connectionstatechange", lambda: on_state(self._connection.connectionState))

    async def answer(self, sdp: str) -> str:
        """The answer to an offer. OfferRefusedError where it cannot be taken."""
        connection = self._connection
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            bound_gathering(connection, GATHER_S)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # an offer is a stranger's text, and aiortc's parser asserts and indexes
            _log.debug("offer refused", exc_info=True)
            raise OfferRefusedError(f"this offer cannot be taken ({type(error).__name__}: {error})") from error
        text = connection.localDescription.sdp
        self.codec = chosen_video_codec(text)
        if not self.codec:
            raise OfferRefusedError("the offer has no video in a codec that is known here (GRACE, VP8, H264)")
        return text

    def on_live_event(self, event: TimedEvent) -> None:
        """An event of the plug-in, from before the track has the frame: GRACE frames count from the first one."""
        if self._origin is None and isinstance(event, FrameDelivered):
            self._origin = event.rtp_timestamp - event.pts

    async def totals(self) -> ReceivingTotals:
        """What `getStats` counts up to now, without `frames`."""
        report = {stat.type: vars(stat) for stat in (await self._connection.getStats()).values()}
        transport, media = report.get("transport", {}), report.get("inbound-rtp", {})
        return ReceivingTotals(
            packets_received=transport.get("packetsReceived", 0),
            bytes_received=transport.get("bytesReceived", 0),
            media_packets=media.get("packetsReceived", 0),
            packets_lost=media.get("packetsLost", 0),
            partial=media.get("partialFrames"),
            resyncs=media.get("resyncs"),
        )

    async def close(self) -> None:
        """Within CLOSE_S, whatever the state."""
        self._connection.remove_all_listeners()
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_S):
                await self._sink.stop()
                await self._connection.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video" and self._watching is None:
            self._watching = asyncio.create_task(self._watch(track))
        else:  # aiortc queues what other tracks bring: it must be taken out, or it would pile up
            self._sink.addTrack(track)
            self._sinking = asyncio.ensure_future(self._sink.start())

    async def _watch(self, track: MediaStreamTrack) -> None:
        receiver = next(found.receiver for found in self._connection.getTransceivers() if found.receiver.track is track)
        while True:
            try:
                video = await track.recv()
            except MediaStreamError:
                return
            try:
                if isinstance(video, VideoFrame):
                    self._on_frame(TimedFrame(video, self._timestamp(receiver, video.pts or 0)))
            except Exception:  # one frame that cannot be shown must not end the call
                _log.exception("a frame was not shown")

    def _timestamp(self, receiver: RTCRtpReceiver, pts: int) -> int:
        if self._origin is not None:
            return (self._origin + pts) & 0xFFFFFFFF
        return shown_timestamp(receiver, pts) or 0
