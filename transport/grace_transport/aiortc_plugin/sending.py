"""A GRACE stream on its way out: what runs in place of aiortc's `RTCRtpSender._run_rtp`.

Owns reading the track and the life of the sender's end. Knows nothing of how pictures become packets.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from grace_transport.aiortc_plugin.contract import OpenSender, SenderEnd, Stream
from grace_transport.aiortc_plugin.internals import SenderInternals
from grace_transport.aiortc_plugin.negotiation import is_grace
from grace_transport.aiortc_plugin.options import RtcOptions
from grace_transport.aiortc_plugin.routes import Routes
from grace_transport.clock import AsyncioClock
from grace_transport.runtime.send_queue import SendQueue
from grace_transport.wire.media import rtp_timestamp
from grace_transport.wire.rtp import HEADER_BYTES, TRANSPORT_SEQ_BYTES, TRANSPORT_SEQ_URI

if TYPE_CHECKING:
    from aiortc import RTCRtpSender
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters

NO_TRACK_WAIT_S = 0.02  # as aiortc waits for replaceTrack
SHORTEST_INTERVAL_S = 1 / 240  # of a track that never waits by itself

_logger = logging.getLogger(__name__)


def usable_parameters(parameters: RTCRtpSendParameters) -> RTCRtpSendParameters:
    """GRACE needs transport-wide sequence numbers in one-byte form; a peer without gets the next codec."""
    if any(found.uri == TRANSPORT_SEQ_URI and 1 <= found.id <= 14 for found in parameters.headerExtensions):
        return parameters
    others = [codec for codec in parameters.codecs if not is_grace(codec)]
    if len(others) < len(parameters.codecs) and others:
        _logger.warning("the peer knows GRACE, but no transport-wide sequence numbers: sending %s", others[0])
        return replace(parameters, codecs=others)
    return parameters


class Sending:
    """One `_run_rtp`: from the negotiated codec to the end of the track."""

    def __init__(self, sender: RTCRtpSender, codec: RTCRtpCodecParameters, routes: Routes) -> None:
        self._sender = sender
        self._inner = SenderInternals(sender)
        self._codec = codec
        self._routes = routes
        self._clock = AsyncioClock()
        self._end: SenderEnd | None = None
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()

    async def run(self, open_end: OpenSender, options: RtcOptions, profile: int) -> None:
        """Never raises; `exited` is set in the end, else `RTCRtpSender.stop` would wait for ever."""
        from aiortc.mediastreams import MediaStreamError

        send_queue: SendQueue | None = None
        transport = self._sender.transport
        try:
            self._inner.started.set()
            send_queue = SendQueue(transport._send_rtp, self._count)
            stream = Stream(
                ssrc=self._sender._ssrc,
                payload_type=self._codec.payloadType or 0,
                transport_seq_id=self._inner.transport_seq_id or 0,
                profile=profile,
            )
            self._end = open_end(stream, options, send_queue.put)
            self._routes.add_sender(transport, stream.ssrc, self)
            try:
                await self._read_track(send_queue)
            except MediaStreamError:
                await self._end.drain()
        except (asyncio.CancelledError, ConnectionError):
            pass
        except Exception:
            _logger.exception("a GRACE stream ended")
        finally:
            await self._finish(send_queue)

    def receive_rtcp(self, data: bytes) -> None:
        if self._end is not None:
            self._end.receive_rtcp(data)

    def stats(self) -> Any:
        return self._end.stats() if self._end is not None else None

    def stop(self) -> None:
        """From any thread: end the stream as the end of its track would."""
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _read_track(self, send_queue: SendQueue) -> None:
        from av import VideoFrame

        assert self._end is not None
        while not send_queue.broken:
            track = self._inner.track
            if track is None:
                await asyncio.sleep(NO_TRACK_WAIT_S)
                continue
            begin_s = self._loop.time()
            picture = await track.recv()
            if self._sender._enabled and isinstance(picture, VideoFrame):
                self._end.on_frame(picture)
            # A track that has the next picture at once would starve the loop: aiortc waits for its encoder here.
            await asyncio.sleep(max(0.0, SHORTEST_INTERVAL_S - (self._loop.time() - begin_s)))

    def _count(self, data: bytes) -> None:
        from aiortc import clock

        padding = data[-1] if data[0] & 0x20 else 0
        payload_bytes = len(data) - HEADER_BYTES - TRANSPORT_SEQ_BYTES - padding
        self._inner.count_sent(clock.current_ntp_time(), rtp_timestamp(self._clock.now_us()), payload_bytes)

    async def _finish(self, send_queue: SendQueue | None) -> None:
        try:
            self._routes.remove_sender(self._sender.transport, self._sender._ssrc)
            if self._end is not None:
                await self._end.close()
            if send_queue is not None:
                await send_queue.close()
        except Exception:
            _logger.exception("a GRACE stream did not end cleanly")
        finally:
            self._inner.end_track()
            self._inner.exited.set()
