"""The live sender of one GRACE stream: pictures of a track in, RTP out. The driver of `SenderSession` on real time.

Owns the order of things: when a picture is dropped, scaled, encoded, and what happens when something raises. The codec
runs on a thread of its own; everything else on the event loop. Refuses to know aiortc and sockets.

    track -> FrameGate -> SenderSession --EncodeWanted--> worker: scale, EncoderReferences --> SenderSession -> RTP
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from grace_codec.schemes import PAYLOAD_VERSION, live_scheme
from grace_codec.types import CodedFrame
from grace_sender.events import EncodeWanted, FrameEncoded, FrameSkipped, RateChanged
from grace_sender.live.adaptation import Adaptation, OperatingPoint, OperatingPointChanged
from grace_sender.live.frame_gate import FrameGate
from grace_sender.live.frames import fitting_size, measure_encoding, own_us, to_frame
from grace_sender.live.pacing import CaptureClock, SourceRate
from grace_sender.live.stats import SenderCounters
from grace_sender.references import EncoderReferences
from grace_sender.session import SenderConfig, SenderSession
from grace_transport.aiortc_plugin.contract import CodecReady, Identity, LiveEvent, RtcOptions, Stream, WorkFailed
from grace_transport.aiortc_plugin.stats import SenderStats
from grace_transport.clock import AsyncioClock
from grace_transport.congestion import find_controller
from grace_transport.host import Host
from grace_transport.runtime.safe_clock import SafeClock
from grace_transport.runtime.worker import Worker
from grace_transport.wire.media import rtp_timestamp
from grace_transport.wire.rtcp import RtcpPacket

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["FrameCaptured", "LiveSender", "live_identity", "open_sender"]

CLOSE_TIMEOUT_S = 5.0  # for the encoding that runs, or the loading of a model
DRAIN_TIMEOUT_S = 1.0
DRAIN_STEP_S = 0.02
LOUD_FAILURES, EVERY_FAILURES = 3, 100  # the first and then every so many are logged; all are events

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FrameCaptured:
    """A picture of the track became frame `frame_id`. `rtp_timestamp` as it will be on the wire."""

    at_us: int
    frame_id: int
    captured_us: int
    rtp_timestamp: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Captured:
    """A picture that waits for its turn, and the size it is to have."""

    picture: VideoFrame
    size: tuple[int, int]
    captured_us: int


def live_identity(scheme: str) -> Identity:
    """What stands in the SDP for `scheme`. Raises ValueError or ModelError where it cannot be used."""
    profile, model = live_scheme(scheme).identity()
    return Identity(PAYLOAD_VERSION, profile, model)


def open_sender(stream: Stream, options: RtcOptions, send: Callable[[bytes], None]) -> LiveSender:
    """The entry point `grace_rtc.live: sender`."""
    return LiveSender(stream, options, send)


class LiveSender:
    """One stream. All methods on the event loop's thread; none blocks, none raises."""

    def __init__(self, stream: Stream, options: RtcOptions, send: Callable[[bytes], None]) -> None:
        self._stream, self._options = stream, options
        self._scheme = live_scheme(options.scheme)
        self._clock = SafeClock(AsyncioClock(), self._on_bug)
        config = SenderConfig(
            fps=options.max_fps,
            profile=stream.profile,
            ssrc=stream.ssrc,
            payload_type=stream.payload_type,
            transport_seq_id=stream.transport_seq_id,
        )
        controller = find_controller(options.controller)(
            start_bps=options.start_bps,
            min_bps=options.min_bps,
            max_bps=options.max_bps,
            loss_control=options.loss_control,
        )
        self._session = SenderSession(config, controller)
        self._host = Host(self._session, self._clock, send, self._on_event)
        self._counters = SenderCounters(options.start_bps)
        self._captures = CaptureClock()
        self._source = SourceRate(options.max_fps)
        self._source_size: tuple[int, int] | None = None
        self._gate = FrameGate(options.max_fps)
        self._adaptation: Adaptation | None = None
        self._point: OperatingPoint | None = None
        self._waiting: dict[int, _Captured] = {}  # by frame id; at most the pending one and the one about to be
        self._encoding: tuple[int, tuple[int, int]] | None = None
        self._reference_size: tuple[int, int] | None = None  # of what the next frame would be predicted from
        self._taken_us = 0
        self._frame_id = -1
        self._failures = 0
        self._measuring = False
        self._desk: EncoderReferences | None = None
        self._worker = Worker(f"grace-encoder-{stream.ssrc:08x}")
        self._worker.submit(self._scheme.make, self._on_codec, partial(self._on_failed, "load"))

    # -- what the plug-in calls --------------------------------------------------------------------------------------

    def on_frame(self, picture: VideoFrame) -> None:
        """A picture of the track, captured now. It is sent, or dropped where it would be late."""
        self._clock.run(partial(self._capture, picture), retry=self._host.drain)

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        receive = partial(self._session.receive_rtcp, packet)
        self._clock.run(partial(self._host.mutate, receive), retry=self._host.drain)

    def stats(self) -> SenderStats:
        return self._counters.stats(self._clock.now_us())

    async def drain(self) -> None:
        end_us = self._clock.now_us() + round(DRAIN_TIMEOUT_S * 1e6)
        while not self._session.idle and self._clock.now_us() < end_us:
            await asyncio.sleep(DRAIN_STEP_S)

    async def close(self) -> None:
        self._host.close()
        self._worker.close()
        self._waiting.clear()
        await self._worker.closed(CLOSE_TIMEOUT_S)

    # -- pictures ----------------------------------------------------------------------------------------------------

    def _capture(self, picture: VideoFrame) -> None:
        captured_us = self._captures.captured_us(own_us(picture), self._clock.now_us())
        self._source.on_frame(captured_us)
        size = (picture.width, picture.height)
        if size != self._source_size:
            self._source_size, self._point = size, None
        if self._point is None:
            self._begin(picture)
        elif self._gate.admits(captured_us):
            self._admit(picture, self._point, captured_us)
            return
        self._counters.on_dropped()

    def _begin(self, picture: VideoFrame) -> None:
        """A source of this size is new: find out what this machine can do with it."""
        if self._desk is None or self._measuring or not self._source.known:
            return
        size = fitting_size((picture.width, picture.height), self._options.max_size)
        source = OperatingPoint(*size, self._source.fps)
        if not self._options.adapt:
            self._move(source)
            return
        if self._options.measured is not None:
            self._on_measured(source, self._options.measured, 0)
            return
        self._measuring = True
        job = partial(measure_encoding, self._scheme.make, picture, size)
        self._worker.submit(job, partial(self._on_measured, source), partial(self._on_measure_failed, source))

    def _on_measured(self, source: OperatingPoint, measured: tuple[int, int], taken_us: int) -> None:
        self._measuring = False
        self._adaptation = Adaptation(source)
        encode_us, pixels = measured
        self._move(self._adaptation.start(encode_us, pixels, self._clock.now_us()))
        self._follow_adaptation()

    def _on_measure_failed(self, source: OperatingPoint, error: Exception) -> None:
        """Begin with all that the source gives; what encoding takes will show."""
        self._measuring = False
        self._on_failed("measure", error)
        self._adaptation = Adaptation(source)
        self._move(source)

    def _admit(self, picture: VideoFrame, point: OperatingPoint, at_us: int) -> None:
        frame_id, size = self._next_id(picture), (point.width, point.height)
        self._tell(
            FrameCaptured(self._clock.now_us(), frame_id, at_us, rtp_timestamp(at_us), picture.width, picture.height)
        )
        self._waiting[frame_id] = _Captured(picture, size, at_us)
        against = self._encoding[1] if self._encoding is not None else self._reference_size
        key = against is not None and size != against
        self._session.set_fps(min(point.fps, self._source.fps))
        self._host.mutate(lambda now_us: self._session.on_frame(frame_id, at_us, now_us, key=key))

    def _next_id(self, picture: VideoFrame) -> int:
        """Consecutive, unless the application numbers its pictures (`opaque`): then logs of both speak of the same."""
        own = picture.opaque
        self._frame_id = own if isinstance(own, int) and own > self._frame_id else self._frame_id + 1
        return self._frame_id

    # -- encoding ----------------------------------------------------------------------------------------------------

    def _on_codec(self, codec: object, taken_us: int) -> None:
        self._desk = EncoderReferences(codec)  # type: ignore[arg-type]
        self._tell(CodecReady(self._clock.now_us(), taken_us))

    def _encode(self, order: EncodeWanted) -> None:
        captured, desk = self._waiting.pop(order.frame_id), self._desk
        assert desk is not None
        self._waiting = {frame_id: kept for frame_id, kept in self._waiting.items() if frame_id > order.frame_id}
        self._encoding = order.frame_id, captured.size

        def job() -> CodedFrame:
            frame = to_frame(captured.picture, captured.size, order.frame_id, captured.captured_us)
            return desk.encode(order, frame)

        failed = partial(self._on_encode_failed, order.frame_id)
        if not self._worker.submit(job, self._on_encoded, failed):
            failed(RuntimeError("too many jobs wait"))

    def _on_encoded(self, coded: CodedFrame, taken_us: int) -> None:
        self._taken_us = taken_us
        self._clock.run(partial(self._deliver, coded), retry=self._host.drain)
        if self._adaptation is not None:
            now_us = self._clock.now_us()
            self._adaptation.on_encoded(taken_us, now_us)
            self._adaptation.on_bitrate(self._counters.target_bps, now_us)
            self._follow_adaptation()

    def _deliver(self, coded: CodedFrame) -> None:
        desk = self._desk
        assert desk is not None
        assert self._encoding is not None
        size = self._encoding[1]

        def deliver(now_us: int) -> None:
            try:
                lineage = self._session.on_encoded(coded.frame_id, coded.key, coded.payloads, now_us)
            except ValueError as error:  # not what was ordered: a bug of the codec
                self._on_encode_failed(coded.frame_id, error)
                return
            self._encoding, self._reference_size = None, size
            desk.keep(coded, lineage)
            desk.forget(self._session.retained())
            self._counters.on_coded(size, self._scheme.patches(coded.payloads) if not coded.key else 0, self._taken_us)

        self._host.mutate(deliver)

    def _on_encode_failed(self, frame_id: int, error: Exception) -> None:
        self._on_failed("encode", error)
        self._encoding = None
        self._reference_size = (0, 0)  # the codec's states cannot be trusted: go on with a key frame
        reason = f"encoding failed: {error}"
        self._host.mutate(lambda now_us: self._session.on_encode_failed(frame_id, reason, now_us))

    # -- what follows ------------------------------------------------------------------------------------------------

    def _on_event(self, event: object) -> None:
        self._counters.on_event(event)
        self._tell(event, self._taken_us if isinstance(event, FrameEncoded) else None)
        match event:
            case EncodeWanted():
                self._encode(event)
            case FrameSkipped():
                self._waiting.pop(event.frame_id, None)
                if self._adaptation is not None:
                    self._adaptation.on_skipped(event.reason, event.at_us)
            case RateChanged():
                if self._adaptation is not None:
                    self._adaptation.on_bitrate(event.bitrate_bps, event.at_us)

    def _follow_adaptation(self) -> None:
        assert self._adaptation is not None
        while (event := self._adaptation.next_event()) is not None:
            self._tell(event)
            self._move(event.point)

    def _move(self, point: OperatingPoint) -> None:
        if self._adaptation is None:
            self._tell(OperatingPointChanged(self._clock.now_us(), point, f"as the source is: {point}"))
        self._point = point
        self._gate.set_fps(point.fps)

    def _tell(self, event: object, codec_us: int | None = None) -> None:
        if self._options.observer is not None:
            try:
                self._options.observer(LiveEvent("sender", self._stream.ssrc, event, codec_us))
            except Exception:
                _logger.exception("an observer of sent streams raised")

    def _on_failed(self, what: str, error: Exception) -> None:
        self._failures += 1
        if self._failures <= LOUD_FAILURES or self._failures % EVERY_FAILURES == 0:
            _logger.error("GRACE sender, %s failed: %s", what, error, exc_info=error)
        self._tell(WorkFailed(self._clock.now_us(), what, str(error)))

    def _on_bug(self, error: Exception) -> None:
        self._on_failed("session", error)
