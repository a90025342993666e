"""The two directions of a GRACE stream, between aiortc's objects and the live ends.

`OutgoingStream` runs in place of aiortc's `RTCRtpSender._run_rtp`: it reads the track and owns the sender's end.
`IncomingStream` takes raw RTP past aiortc's jitter buffer, NACK and PLI, owns the receiver's end and fills the track.
Neither knows how frames become packets.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from grace_transport.aiortc_plugin.contract import (
    OpenReceiver,
    OpenSender,
    ReceiverEnd,
    RtcOptions,
    SenderEnd,
    Stream,
    VideoFrame,
)
from grace_transport.aiortc_plugin.internals import ReceiverInternals, SenderInternals, send_over, sender_ssrc
from grace_transport.aiortc_plugin.stats import ReceiverStats, SenderStats
from grace_transport.clock import AsyncioClock
from grace_transport.runtime.send_queue import SendQueue
from grace_transport.wire.media import CLOCK_HZ, rtp_timestamp
from grace_transport.wire.rtcp import RtcpPacket
from grace_transport.wire.rtp import HEADER_BYTES, TRANSPORT_SEQ_BYTES

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack, RTCRtpReceiver, RTCRtpSender
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters

NO_TRACK_WAIT_S = 0.02  # between two looks for a track that `replaceTrack` may bring, as aiortc waits
SHORTEST_INTERVAL_S = 1 / 240  # between two frames of a track that never waits by itself
REPLACED_WAIT_S = 0.05  # between two looks whether `replaceTrack` has taken a track away whose `recv` is awaited
MAX_FRAMES = 8  # decoded frames that wait for `track.recv`; for each one more the oldest is dropped

_logger = logging.getLogger(__name__)


class PacketsError(Exception):
    """The track gives packets that are coded already, which GRACE cannot pass on; `codec_name` is ffmpeg's name."""

    def __init__(self, codec_name: str) -> None:
        super().__init__(f"the track gives packets of {codec_name}")
        self.codec_name = codec_name


class OutgoingStream:
    """One run of an `RTCRtpSender`: from the negotiated codec to the end of the track."""

    def __init__(self, sender: RTCRtpSender, codec: RTCRtpCodecParameters) -> None:
        self._transport = sender.transport
        self._ssrc = sender_ssrc(sender)
        self._inner = SenderInternals(sender)
        self._codec = codec
        self._clock = AsyncioClock()
        self._end: SenderEnd | None = None
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()

    async def run(self, open_end: OpenSender, options: RtcOptions, profile: int) -> None:
        """Send until the track ends, and set `exited` in the end: `RTCRtpSender.stop` waits for it.

        Raises PacketsError, and does not set it, as soon as the track gives a packet: the packet is given back to the
        track, for another codec's run."""
        from aiortc.mediastreams import MediaStreamError

        send_queue: SendQueue | None = None
        passed_on = False
        try:
            self._inner.started.set()
            send_queue = SendQueue(send_over(self._transport), self._count)
            stream = Stream(
                ssrc=self._ssrc,
                payload_type=self._codec.payloadType or 0,
                transport_seq_id=self._inner.transport_seq_id or 0,
                profile=profile,
            )
            self._end = open_end(stream, options, send_queue.put)
            try:
                await self._read_track(self._end, send_queue)
            except MediaStreamError:
                await self._end.drain()
        except PacketsError:
            passed_on = True
            raise
        except (asyncio.CancelledError, ConnectionError):
            pass
        except Exception:
            _logger.exception("a GRACE stream ended")
        finally:
            await self._close(send_queue)
            if not passed_on:
                self._inner.end_track()
                self._inner.exited.set()

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """Feedback about this stream came; before its end is open it is of no use."""
        if self._end is not None:
            self._end.receive_rtcp(packet)

    def stats(self) -> SenderStats | None:
        """Totals; None before the stream's end is open."""
        return self._end.stats() if self._end is not None else None

    def stop(self) -> None:
        """From any thread: end the stream as the end of its track would."""
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _read_track(self, end: SenderEnd, send_queue: SendQueue) -> None:
        from av import Packet
        from av import VideoFrame as AvFrame

        while not send_queue.broken:
            track = self._inner.track
            if track is None:
                await asyncio.sleep(NO_TRACK_WAIT_S)
                continue
            begin_s = self._loop.time()
            frame = await self._next_of(track)
            if isinstance(frame, Packet):
                give_back(track, frame)
                raise PacketsError(frame.stream.codec_context.name if frame.stream is not None else "an unknown codec")
            if self._inner.enabled and isinstance(frame, AvFrame):
                end.on_frame(frame)
            # A track that has the next frame at once would starve the loop: aiortc waits for its encoder here.
            await asyncio.sleep(max(0.0, SHORTEST_INTERVAL_S - (self._loop.time() - begin_s)))

    async def _next_of(self, track: MediaStreamTrack) -> Any:
        """What `recv` gives; None where `replaceTrack` took the track away meanwhile, which may never give anything."""
        from aiortc.mediastreams import MediaStreamError

        receiving = asyncio.ensure_future(track.recv())
        try:
            while self._inner.track is track:
                done, _ = await asyncio.wait([receiving], timeout=REPLACED_WAIT_S)
                if done:
                    return receiving.result()
        except MediaStreamError:
            if self._inner.track is track:
                raise  # else: the end of a track that is not sent any more
        finally:
            receiving.cancel()
        return None

    def _count(self, data: bytes) -> None:
        from aiortc import clock

        padding = data[-1] if data[0] & 0x20 else 0
        payload_bytes = len(data) - HEADER_BYTES - TRANSPORT_SEQ_BYTES - padding
        self._inner.count_sent(clock.current_ntp_time(), rtp_timestamp(self._clock.now_us()), payload_bytes)

    async def _close(self, send_queue: SendQueue | None) -> None:
        try:
            if self._end is not None:
                await self._end.close()
            if send_queue is not None:
                await send_queue.close()
        except Exception:
            _logger.exception("a GRACE stream did not end cleanly")


def give_back(track: MediaStreamTrack, received: object) -> None:
    """Let the next `recv` of a track return what was received from it; after that it is as it was."""

    async def once() -> Any:
        del track.recv  # the attribute of the instance, which hides the method
        return received

    track.recv = once  # type: ignore[method-assign]


class NoDecoder:
    """The decoder that aiortc gets for GRACE, should a packet ever come so far: it decodes nothing.

    An exception would end aiortc's decoder thread, and with it the way in which a track learns of its end."""

    def decode(self, frame: object) -> list[VideoFrame]:
        """No frames, whatever the data."""
        return []


class IncomingStream:
    """An `RTCRtpReceiver` that may get GRACE. Its end opens once the SSRC is known, by SDP or by the first packet."""

    def __init__(
        self, receiver: RTCRtpReceiver, stream: Stream, ssrc: int | None, open_end: OpenReceiver, options: RtcOptions
    ) -> None:
        self._transport = receiver.transport
        self._inner = ReceiverInternals(receiver)
        self._stream = stream
        self._open_end, self._options = open_end, options
        self._loop = asyncio.get_running_loop()
        self._end: ReceiverEnd | None = None
        self._send_queue: SendQueue | None = None
        self._closing: asyncio.Task[None] | None = None
        self._not_taken = 0  # frames that the application did not fetch in time
        if ssrc is not None:
            self._open(ssrc)

    @property
    def payload_type(self) -> int:
        """Of the stream's RTP packets."""
        return self._stream.payload_type

    def serves(self, ssrc: int | None) -> bool:
        """Whether a new description with this SSRC is about the same stream."""
        return ssrc is None or self._end is None or ssrc == self._stream.ssrc

    def receive_rtp(self, data: bytes) -> None:
        """One RTP packet of our payload type, 12 bytes at least."""
        if not self._inner.enabled or self._closing is not None:
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
        """Totals; frames that nobody fetched count as dropped. None before the stream's end is open."""
        if self._end is None:
            return None
        stats = self._end.stats()
        return replace(stats, framesDropped=stats.framesDropped + self._not_taken)

    def close_soon(self) -> None:
        """Begin to close, without waiting; from the loop's thread."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def close(self) -> None:
        """Close and wait for it. Idempotent; never raises."""
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
            self._send_queue = SendQueue(send_over(self._transport))
            self._end = self._open_end(self._stream, self._options, self._send_queue.put, self._show)
        except Exception:
            _logger.exception("a GRACE stream cannot be received")
            self.close_soon()

    def _show(self, frame: VideoFrame) -> None:
        queue = self._inner.frames
        if queue is None or not self._inner.listening:
            return
        while queue.qsize() >= MAX_FRAMES:
            if queue.get_nowait() is None:  # the track has ended: nothing comes after
                queue.put_nowait(None)
                return
            self._not_taken += 1
        queue.put_nowait(frame)

    async def _close(self) -> None:
        try:
            if self._end is not None:
                await self._end.close()
            if self._send_queue is not None:
                await self._send_queue.close()
        except Exception:
            _logger.exception("a GRACE stream did not end cleanly")
