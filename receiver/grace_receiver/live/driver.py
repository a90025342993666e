"""The live receiver of one GRACE stream: RTP in, pictures and feedback out. Drives `ReceiverSession`.

Owns the order of things and what happens when something raises. The codec runs on a thread of its own; everything else
on the event loop. Refuses to know aiortc and sockets.

    RTP -> ReceiverSession --DecodeWanted--> worker: DecoderReferences --> ReceiverSession -> picture, RTCP
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from grace_codec.schemes import live_scheme
from grace_codec.types import Decoded, Frame
from grace_receiver.events import CarryWanted, DecodeWanted, FrameDecoded, FrameReady
from grace_receiver.live.frames import to_video_frame
from grace_receiver.live.stats import ReceiverCounters
from grace_receiver.references import DecoderReferences
from grace_receiver.session import ReceiverConfig, ReceiverSession
from grace_transport.aiortc_plugin.contract import CodecReady, LiveEvent, RtcOptions, Stream, WorkFailed
from grace_transport.aiortc_plugin.stats import ReceiverStats
from grace_transport.clock import AsyncioClock
from grace_transport.host import Host
from grace_transport.runtime.safe_clock import SafeClock
from grace_transport.runtime.worker import Worker
from grace_transport.wire.media import CLOCK_HZ, rtp_timestamp

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["FrameDelivered", "LiveReceiver", "open_receiver"]

CLOSE_TIMEOUT_S = 5.0  # for the decoding that runs, or the loading of a model
MAX_WAITING_US = 250_000  # for the decoder: a slow one skips frames
LOUD_FAILURES, EVERY_FAILURES = 3, 100  # the first and then every so many are logged; all are events

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FrameDelivered:
    """A frame was given to the track with presentation time `pts` (1/90000 s since the first)."""

    at_us: int
    frame_id: int
    captured_us: int
    rtp_timestamp: int
    pts: int
    width: int
    height: int


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
        self._stream, self._options, self._show = stream, options, show
        self._scheme = live_scheme(options.scheme)
        self._clock = SafeClock(AsyncioClock(), self._on_bug)
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
        self._host = Host(self._session, self._clock, send, self._on_event)
        self._counters = ReceiverCounters()
        self._desk: DecoderReferences | None = None
        self._orders: list[DecodeWanted] = []  # before the codec is there; the session gives one at a time
        self._shown: Frame | None = None
        self._taken_us = 0
        self._first_timestamp: int | None = None
        self._last_pts = -1
        self._failures = 0
        self._worker = Worker(f"grace-decoder-{stream.ssrc:08x}")
        self._worker.submit(self._scheme.make, self._on_codec, partial(self._on_failed, "load"))

    # -- what the plug-in calls --------------------------------------------------------------------------------------

    def receive_rtp(self, data: bytes) -> None:
        self._clock.run(partial(self._host.receive, data), retry=self._host.drain)

    def stats(self) -> ReceiverStats:
        return self._counters.stats(self._clock.now_us())

    async def close(self) -> None:
        self._host.close()
        self._worker.close()
        await self._worker.closed(CLOSE_TIMEOUT_S)

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _on_codec(self, codec: object, taken_us: int) -> None:
        self._desk = DecoderReferences(codec)  # type: ignore[arg-type]
        self._tell(CodecReady(self._clock.now_us(), taken_us))
        for order in self._orders:
            self._decode(order)
        self._orders.clear()

    def _decode(self, order: DecodeWanted) -> None:
        desk = self._desk
        if desk is None:
            self._orders.append(order)
            return
        failed = partial(self._on_decode_failed, order)
        if not self._worker.submit(partial(desk.decode, order), partial(self._on_decoded, order), failed):
            failed(RuntimeError("too many jobs wait"))

    def _on_decoded(self, order: DecodeWanted, decoded: Decoded, taken_us: int) -> None:
        self._taken_us = taken_us
        self._counters.on_codec(order, decoded, self._patches(order, decoded), taken_us)
        self._shown = decoded.frame
        self._clock.run(partial(self._deliver, order, decoded), retry=self._host.drain)
        self._shown = None

    def _on_decode_failed(self, order: DecodeWanted, error: Exception) -> None:
        """As if nothing of the frame had come: it is reported, and the sender codes around it."""
        self._on_failed("decode", error)
        reasons = dict.fromkeys(order.received.payloads, f"decoding failed: {error}")
        self._clock.run(partial(self._deliver, order, Decoded(None, None, frozenset(), reasons)))

    def _deliver(self, order: DecodeWanted, decoded: Decoded) -> None:
        desk = self._desk
        assert desk is not None

        def deliver(now_us: int) -> None:
            lineage = self._session.on_decoded(order.received.frame_id, decoded, now_us)
            if lineage is not None:
                desk.keep(decoded, lineage)
            desk.forget(self._session.retained())

        self._host.mutate(deliver)

    def _patches(self, order: DecodeWanted, decoded: Decoded) -> int:
        if order.received.key:
            return 0
        return self._scheme.patches(order.received.payloads[index] for index in decoded.used)

    # -- what follows ------------------------------------------------------------------------------------------------

    def _on_event(self, event: object) -> None:
        self._counters.on_event(event)
        self._tell(event, self._taken_us if isinstance(event, FrameDecoded) else None)
        match event:
            case DecodeWanted():
                self._decode(event)
            case CarryWanted():
                if self._desk is not None:
                    self._desk.carry(event.step)
            case FrameReady():
                self._render(event)

    def _render(self, event: FrameReady) -> None:
        """Pictures go to the track in the order of their times: recorders rely on it."""
        if self._shown is None:
            return
        timestamp = rtp_timestamp(event.captured_us)
        ticks = -(-event.captured_us * CLOCK_HZ // 1_000_000)
        if self._first_timestamp is None:
            self._first_timestamp = ticks
        pts = ticks - self._first_timestamp
        if pts <= self._last_pts:
            return
        self._last_pts = pts
        picture = to_video_frame(self._shown, pts)
        self._tell(
            FrameDelivered(
                event.at_us, event.frame_id, event.captured_us, timestamp, pts, picture.width, picture.height
            )
        )
        self._show(picture)

    def _tell(self, event: object, codec_us: int | None = None) -> None:
        if self._options.observer is not None:
            try:
                self._options.observer(LiveEvent("receiver", self._stream.ssrc, event, codec_us))
            except Exception:
                _logger.exception("an observer of received streams raised")

    def _on_failed(self, what: str, error: Exception) -> None:
        self._failures += 1
        if self._failures <= LOUD_FAILURES or self._failures % EVERY_FAILURES == 0:
            _logger.error("GRACE receiver, %s failed: %s", what, error, exc_info=error)
        self._tell(WorkFailed(self._clock.now_us(), what, str(error)))

    def _on_bug(self, error: Exception) -> None:
        self._on_failed("session", error)
