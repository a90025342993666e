"""The live receiver of one GRACE stream: RTP in, frames and feedback out. Drives `ReceiverSession` on real time.

Owns the way of a frame: decoded on the worker thread, given to the session, handed to the track. Refuses to know aiortc
and sockets.

    RTP -> ReceiverSession --DecodeWanted--> worker: DecoderReferences --> ReceiverSession -> track, RTCP
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from grace_codec.api import PacketCodec
from grace_codec.schemes import live_scheme
from grace_codec.types import Decoded
from grace_receiver.events import CarryWanted, DecodeWanted, FrameReady, ReceiverEvent
from grace_receiver.live.events import FrameDelivered
from grace_receiver.live.frames import TrackTime, to_video_frame
from grace_receiver.live.stats import ReceiverCounters
from grace_receiver.references import DecoderReferences
from grace_receiver.session import ReceiverConfig, ReceiverSession
from grace_transport.aiortc_plugin.contract import RtcOptions, Stream
from grace_transport.aiortc_plugin.stats import ReceiverStats
from grace_transport.runtime.live_end import LiveEnd
from grace_transport.wire.media import rtp_timestamp

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["LiveReceiver", "open_receiver"]

MAX_WAITING_US: Final = 250_000  # for the decoder: a slow one skips frames


def open_receiver(
    stream: Stream, options: RtcOptions, send: Callable[[bytes], None], show: Callable[[VideoFrame], None]
) -> LiveReceiver:
    """The entry point `grace_rtc.live: receiver`."""
    return LiveReceiver(stream, options, send, show)


class LiveReceiver:
    """One stream. All methods on the event loop's thread; none blocks, none raises."""

    def __init__(
        self, stream: Stream, options: RtcOptions, send: Callable[[bytes], None], show: Callable[[VideoFrame], None]
    ) -> None:
        self._show = show
        self._scheme = live_scheme(options.scheme)
        config = ReceiverConfig(
            loss_response=self._scheme.loss_response,
            profile=stream.profile,
            ssrc=stream.feedback_ssrc,
            media_ssrc=stream.ssrc,
            payload_type=stream.payload_type,
            transport_seq_id=stream.transport_seq_id,
            max_waiting_us=MAX_WAITING_US,
        )
        self._session = ReceiverSession(config)
        self._counters = ReceiverCounters()
        self._references: DecoderReferences | None = None
        self._early: list[DecodeWanted] = []  # orders from before the codec was there; the session gives one at a time
        self._time = TrackTime()
        ssrc, observer = stream.ssrc, options.observer
        self._end = LiveEnd[ReceiverEvent]("receiver", ssrc, self._session, send, self._on_event, observer)
        self._end.load(self._scheme.make, self._on_codec)

    # -- what the plug-in calls --------------------------------------------------------------------------------------

    def receive_rtp(self, data: bytes) -> None:
        """An RTP packet of this stream."""
        self._end.receive(data)

    def stats(self) -> ReceiverStats:
        """Totals up to now, for `getStats`."""
        return self._counters.stats(self._end.now_us())

    async def close(self) -> None:
        """Stop; waits a few seconds at most for the frame at the decoder."""
        await self._end.close()

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _on_codec(self, codec: PacketCodec) -> None:
        self._references = DecoderReferences(codec)
        early, self._early = self._early, []
        for order in early:
            self._decode(order)

    def _decode(self, order: DecodeWanted) -> None:
        references = self._references
        if references is None:
            self._early.append(order)
            return
        done, failed = partial(self._on_decoded, references, order), partial(self._on_decode_failed, references, order)
        self._end.work("decode", partial(references.decode, order), done, failed)

    def _on_decoded(self, references: DecoderReferences, order: DecodeWanted, decoded: Decoded, decode_us: int) -> None:
        self._counters.on_codec(order, decoded, self._patches(order, decoded), decode_us)
        self._deliver(references, order, decoded, decode_us)

    def _on_decode_failed(self, references: DecoderReferences, order: DecodeWanted, error: Exception) -> None:
        """As if nothing of the frame had come: it is reported, and the sender codes around it."""
        reasons = dict.fromkeys(order.received.payloads, f"decoding failed: {error}")
        self._deliver(references, order, Decoded(None, None, frozenset(), reasons), 0)

    def _deliver(self, references: DecoderReferences, order: DecodeWanted, decoded: Decoded, decode_us: int) -> None:
        def deliver(now_us: int) -> None:
            lineage = self._session.on_decoded(order.received.frame_id, decoded, now_us, decode_us=decode_us)
            if lineage is not None:
                references.keep(decoded, lineage)
            references.forget(self._session.retained())

        self._end.mutate(deliver)

    def _patches(self, order: DecodeWanted, decoded: Decoded) -> int:
        if order.received.key:
            return 0
        return self._scheme.patches(order.received.payloads[index] for index in decoded.used)

    # -- what follows ------------------------------------------------------------------------------------------------

    def _on_event(self, event: ReceiverEvent) -> None:
        self._counters.on_event(event)
        match event:
            case DecodeWanted():
                self._decode(event)
            case CarryWanted() if self._references is not None:
                self._references.carry(event.step)
            case FrameReady():
                self._give_to_track(event)

    def _give_to_track(self, event: FrameReady) -> None:
        pts = self._time.pts(event.captured_us)
        if pts is None:
            return
        video = to_video_frame(event.frame, pts)
        timestamp, size = rtp_timestamp(event.captured_us), (video.width, video.height)
        self._end.tell(FrameDelivered(event.at_us, event.frame_id, event.captured_us, timestamp, pts, *size))
        self._show(video)
