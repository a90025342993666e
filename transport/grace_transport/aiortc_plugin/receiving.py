"""A GRACE stream on its way in: raw RTP to the receiver's end, its pictures to aiortc's track.

Owns the life of the receiver's end. aiortc's jitter buffer, NACK and PLI see nothing of the stream.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from grace_transport.aiortc_plugin.contract import OpenReceiver, Picture, ReceiverEnd, Stream
from grace_transport.aiortc_plugin.internals import ReceiverInternals
from grace_transport.aiortc_plugin.options import RtcOptions
from grace_transport.aiortc_plugin.stats import ReceiverStats
from grace_transport.runtime.send_queue import SendQueue
from grace_transport.wire.media import CLOCK_HZ

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver

MAX_PICTURES = 8  # that wait for `track.recv`; an older one is dropped for each one more

_logger = logging.getLogger(__name__)


class NoDecoder:
    """What aiortc's decoder thread gets for GRACE, should a packet ever come so far: an exception would end the thread,
    and with it the track's way to tell of its end."""

    def decode(self, frame: object) -> list[Picture]:
        return []


class Receiving:
    """One `RTCRtpReceiver` that may get GRACE. Its end opens when the SSRC is known: by SDP, or the first packet."""

    def __init__(
        self, receiver: RTCRtpReceiver, stream: Stream, ssrc: int | None, open_end: OpenReceiver, options: RtcOptions
    ) -> None:
        self._receiver = receiver
        self._inner = ReceiverInternals(receiver)
        self._stream = stream
        self._open_end, self._options = open_end, options
        self._loop = asyncio.get_running_loop()
        self._end: ReceiverEnd | None = None
        self._send_queue: SendQueue | None = None
        self._closing: asyncio.Task[None] | None = None
        self._not_taken = 0  # pictures that the application did not fetch in time
        if ssrc is not None:
            self._open(ssrc)

    @property
    def payload_type(self) -> int:
        return self._stream.payload_type

    def serves(self, ssrc: int | None) -> bool:
        """Whether a new description with this SSRC is about the same stream."""
        return ssrc is None or self._end is None or ssrc == self._stream.ssrc

    def receive_rtp(self, data: bytes) -> None:
        """One RTP packet of our payload type, 12 bytes at least."""
        if not self._receiver._enabled or self._closing is not None:
            return
        if not self._inner.listening:
            self.close_soon()
            return
        ssrc = int.from_bytes(data[8:12], "big")
        if self._end is None:
            self._open(ssrc)
        if ssrc == self._stream.ssrc:
            seq, timestamp = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big")
            self._inner.count_received(seq, timestamp, ssrc, CLOCK_HZ)
        if self._end is not None:
            self._end.receive_rtp(data)

    def stats(self) -> ReceiverStats | None:
        if self._end is None:
            return None
        stats = self._end.stats()
        return replace(stats, framesDropped=stats.framesDropped + self._not_taken)

    def close_soon(self) -> None:
        """From the loop's thread, without waiting."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def close(self) -> None:
        """Idempotent; never raises."""
        self.close_soon()
        if self._closing is not None:
            await asyncio.wait([self._closing])

    def stop(self) -> None:
        """From any thread: close, and let aiortc forget the payload type, which it could not decode."""
        self._inner.forget_codec(self._stream.payload_type)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.close_soon)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _open(self, ssrc: int) -> None:
        try:
            self._stream = replace(self._stream, ssrc=ssrc, feedback_ssrc=self._inner.feedback_ssrc or 0)
            self._send_queue = SendQueue(self._receiver.transport._send_rtp)
            self._end = self._open_end(self._stream, self._options, self._send_queue.put, self._show)
        except Exception:
            _logger.exception("a GRACE stream cannot be received")
            self.close_soon()

    def _show(self, picture: Picture) -> None:
        queue: asyncio.Queue[Any] | None = self._inner.pictures
        if queue is None or not self._inner.listening:
            return
        while queue.qsize() >= MAX_PICTURES:
            if queue.get_nowait() is None:  # the track has ended: nothing comes after
                queue.put_nowait(None)
                return
            self._not_taken += 1
        queue.put_nowait(picture)

    async def _close(self) -> None:
        try:
            if self._end is not None:
                await self._end.close()
            if self._send_queue is not None:
                await self._send_queue.close()
        except Exception:
            _logger.exception("a GRACE stream did not end cleanly")
