"""The live sender of one GRACE stream: frames of a track in, RTP out. The driver of `SenderSession` on real time.

Owns the way of a frame: admitted or dropped, scaled and encoded on the worker thread, given to the session. Refuses to
know aiortc and sockets.

    track -> FrameAdmission -> SenderSession --EncodeWanted--> worker: scale, EncoderReferences --> SenderSession -> RTP
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from grace_codec.api import PacketCodec
from grace_codec.schemes import PAYLOAD_VERSION, live_scheme
from grace_codec.types import CodedFrame
from grace_sender.events import EncodeWanted, FrameSkipped, RateChanged, SenderEvent
from grace_sender.live.adaptation import EncoderSpeed
from grace_sender.live.admission import Admitted, FrameAdmission, Size
from grace_sender.live.calibration import calibrate, calibration_size, moving
from grace_sender.live.events import FrameCaptured
from grace_sender.live.frames import FrameNumbers, fitting_size, own_us, shown_size, to_frame
from grace_sender.live.stats import SenderCounters
from grace_sender.references import EncoderReferences
from grace_sender.session import SenderConfig, SenderSession
from grace_transport.aiortc_plugin.contract import Identity, RtcOptions, Stream
from grace_transport.aiortc_plugin.stats import SenderStats
from grace_transport.congestion import find_controller
from grace_transport.runtime.live_end import LiveEnd
from grace_transport.wire.media import rtp_timestamp
from grace_transport.wire.rtcp import RtcpPacket

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["LiveSender", "live_identity", "open_sender"]

DRAIN_TIMEOUT_S: Final = 1.0
DRAIN_STEP_S: Final = 0.02
NO_SIZE: Final = (0, 0)
SLOWEST_BUDGET_FPS: Final = 1.0
"""A frame of a slower track may cost what a second gives, so that it does not take longer than that to send."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An admitted frame that waits for its turn at the encoder."""

    video: VideoFrame
    size: Size
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
        self._max_size = options.max_size
        self._scheme = live_scheme(options.scheme)
        self._session = _session(stream, options)
        self._counters = SenderCounters(options.start_bps)
        speed = None if options.measured is None else EncoderSpeed(*options.measured)
        self._admission = FrameAdmission(options.max_fps, adapt=options.adapt, speed=speed)
        self._numbers = FrameNumbers()
        self._waiting: dict[int, _Waiting] = {}  # by frame id; at most the pending one and the one about to be
        self._encoding: Size | None = None  # of the frame at the encoder
        self._reference_size: Size | None = None  # of what the next frame would be predicted from
        self._calibrating = False
        self._held: VideoFrame | None = None  # the newest frame that came before any could be sent
        self._references: EncoderReferences | None = None
        self._end = LiveEnd[SenderEvent]("sender", stream.ssrc, self._session, send, self._on_event, options.observer)
        self._end.load(self._scheme.make, self._on_codec)

    # -- what the plug-in calls --------------------------------------------------------------------------------------

    def on_frame(self, video: VideoFrame) -> None:
        """A frame of the track, captured now. It is sent, or dropped where it would be late."""
        self._end.run(partial(self._capture, video))

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """A feedback packet about this stream."""
        self._end.run(partial(self._end.mutate, partial(self._session.receive_rtcp, packet)))

    def stats(self) -> SenderStats:
        """Totals up to now, for `getStats`."""
        return self._counters.stats(self._end.now_us())

    async def drain(self) -> None:
        """Wait until all that was captured has left, but not for longer than DRAIN_TIMEOUT_S."""
        end_us = self._end.now_us() + round(DRAIN_TIMEOUT_S * 1e6)
        while not self._session.idle and self._end.now_us() < end_us:
            await asyncio.sleep(DRAIN_STEP_S)

    async def close(self) -> None:
        """Stop; waits a few seconds at most for the frame at the encoder."""
        self._waiting.clear()
        self._held = None
        await self._end.close()

    # -- capture -----------------------------------------------------------------------------------------------------

    def _capture(self, video: VideoFrame) -> None:
        now_us = self._end.now_us()
        size = fitting_size(shown_size(video), self._max_size)
        admitted = self._admission.on_frame(size, own_us(video), now_us) if self._references is not None else None
        self._tell_changes()
        if admitted is not None:
            self._admit(video, admitted, now_us)
            return
        if self._references is None or self._admission.calibration_wanted:
            self._hold(video, size)
        else:
            self._counters.on_dropped()

    def _hold(self, video: VideoFrame, size: Size) -> None:
        """Nothing can be sent yet. The newest frame waits: a slide may be the only one for a long time."""
        if self._held is not None:
            self._counters.on_dropped()
        self._held = video
        if self._references is not None and not self._calibrating:
            self._calibrate(video, size)

    def _capture_held(self) -> None:
        if self._held is not None:
            video, self._held = self._held, None
            self._end.run(partial(self._capture, video))

    def _admit(self, video: VideoFrame, admitted: Admitted, now_us: int) -> None:
        number, captured_us = self._numbers.of(video), admitted.captured_us
        frame_id, timestamp, size = number.frame_id, rtp_timestamp(captured_us), (video.width, video.height)
        self._end.tell(FrameCaptured(now_us, frame_id, captured_us, number.source_frame, timestamp, *size))
        self._waiting[frame_id] = _Waiting(video, admitted.size, captured_us)
        key = self._is_new_size(admitted.size)
        self._session.set_fps(max(SLOWEST_BUDGET_FPS, admitted.fps))
        self._end.mutate(lambda now_us: self._session.on_frame(frame_id, captured_us, now_us, key=key))

    def _is_new_size(self, size: Size) -> bool:
        """Whether the frame before, which this one would be predicted from, has another size."""
        before = self._encoding or self._reference_size
        return before is not None and before != size

    def _calibrate(self, video: VideoFrame, size: Size) -> None:
        """Measure the encoder with this frame, before the first one is sent."""
        self._calibrating = True

        def job() -> EncoderSpeed:
            return calibrate(self._scheme.make(), moving(to_frame(video, calibration_size(size), 0, 0)))

        def done(speed: EncoderSpeed, taken_us: int) -> None:
            self._calibrating = False
            self._admission.on_calibrated(speed)
            self._capture_held()

        def failed(error: Exception) -> None:
            self._calibrating = False
            self._admission.on_calibration_failed()
            self._capture_held()

        self._end.work("calibrate", job, done, failed)

    # -- encoding ----------------------------------------------------------------------------------------------------

    def _on_codec(self, codec: PacketCodec) -> None:
        self._references = EncoderReferences(codec)
        self._capture_held()

    def _encode(self, order: EncodeWanted) -> None:
        captured, references = self._waiting.pop(order.frame_id), self._references
        assert references is not None  # no frame is admitted without
        self._waiting = {frame_id: kept for frame_id, kept in self._waiting.items() if frame_id > order.frame_id}
        self._encoding = captured.size

        def job() -> CodedFrame:
            frame = to_frame(captured.video, captured.size, order.frame_id, captured.captured_us)
            return references.encode(order, frame)

        done, failed = partial(self._on_encoded, references), partial(self._on_encode_failed, order.frame_id)
        self._end.work("encode", job, done, failed)

    def _on_encoded(self, references: EncoderReferences, coded: CodedFrame, encode_us: int) -> None:
        def deliver(now_us: int) -> None:
            try:
                lineage = self._session.on_encoded(
                    coded.frame_id, coded.key, coded.payloads, now_us, encode_us=encode_us
                )
            except ValueError as error:  # not what was ordered: a bug of the codec
                self._end.on_failed("encode", error)
                self._on_encode_failed(coded.frame_id, error)
                return
            self._reference_size, self._encoding = self._encoding, None
            references.keep(coded, lineage)
            references.forget(self._session.retained())

        patches = 0 if coded.key else self._scheme.patches(coded.payloads)
        self._counters.on_coded(self._encoding or NO_SIZE, patches, encode_us)
        self._end.mutate(deliver)
        self._admission.on_encoded(encode_us, self._counters.target_bps, self._end.now_us())
        self._tell_changes()

    def _on_encode_failed(self, frame_id: int, error: Exception) -> None:
        """The frame is skipped. The codec's states cannot be trusted any more: go on with a key frame."""
        self._encoding, self._reference_size = None, NO_SIZE
        self._end.mutate(lambda now_us: self._session.on_encode_failed(frame_id, str(error), now_us))

    # -- what follows ------------------------------------------------------------------------------------------------

    def _on_event(self, event: SenderEvent) -> None:
        self._counters.on_event(event)
        match event:
            case EncodeWanted():
                self._encode(event)
            case FrameSkipped():
                self._waiting.pop(event.frame_id, None)
                self._admission.on_skipped(event.reason, event.at_us)
            case RateChanged():
                self._admission.on_bitrate(event.bitrate_bps, event.at_us)
        self._tell_changes()

    def _tell_changes(self) -> None:
        while (event := self._admission.next_event()) is not None:
            self._end.tell(event)


def _session(stream: Stream, options: RtcOptions) -> SenderSession:
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
    return SenderSession(config, controller)
