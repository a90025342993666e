"""A whole call in virtual time: the sessions of live calls on a virtual clock, with an emulated network between them.

The same configuration gives the same log, byte for byte, unless computing times are measured.

    frames -> SenderSession -> uplink -> ReceiverSession -> frames
                    ^----------- feedback path <-----+
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from grace_codec.api import PacketCodec
from grace_codec.evaluation import quality
from grace_codec.types import CodedFrame, Decoded, Frame
from grace_lab.clock import VirtualClock
from grace_lab.cost import ComputeCost, run_timed
from grace_lab.log.events import FrameQuality, log_receiver_event, log_rendered, log_sender_event
from grace_lab.log.schema import SessionLog
from grace_netsim.link.events import LinkDropped, LinkEvent
from grace_netsim.link.link import Link, LinkConfig
from grace_netsim.trace.rates import RateSeries
from grace_receiver.events import CarryWanted, DecodeWanted, FrameReady, ReceiverEvent
from grace_receiver.references import DecoderReferences
from grace_receiver.session import ReceiverConfig, ReceiverSession
from grace_sender.events import EncodeWanted, SenderEvent
from grace_sender.references import EncoderReferences
from grace_sender.session import SenderConfig, SenderSession
from grace_transport.congestion.controller import CongestionController
from grace_transport.errors import WireFormatError
from grace_transport.host import Host
from grace_transport.wire.rtp import parse_rtp

SRTP_TAG = bytes(16)  # RFC 7714, what aiortc negotiates: on the emulated wire every RTP packet is that much longer
SRTCP_TAIL = bytes(20)  # tag, and the SRTCP index
TAIL_US = 1_000_000  # packets that are under way at the last capture may still arrive
CAPACITY_STEP_US = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConfig:
    """The settings of one call. `facts` go into the first line of the log.

    `capacity` is logged for the timeline; None: unlimited."""

    fps: float
    frames: int
    uplink: LinkConfig
    feedback: LinkConfig
    cost: ComputeCost = field(default_factory=ComputeCost)
    capacity: RateSeries | None = None
    pixels: bool = True  # False: the codec makes frames up, and they are not compared
    facts: dict[str, int | float | str] = field(default_factory=dict)


class Lab:
    """Wires a sender, two links and a receiver on one virtual clock, and runs them once."""

    def __init__(
        self,
        config: CallConfig,
        source: Callable[[int], Frame],
        encoder: PacketCodec,
        decoder: PacketCodec,
        controller: CongestionController,
        log: SessionLog,
        on_shown: Callable[[Frame, Frame], None] | None = None,
    ) -> None:
        """`source(frame_id)` gives the captured frame. `encoder` and `decoder` are two instances of one scheme.

        `on_shown`, where given, gets every captured frame with the frame that was shown for it."""
        self._config = config
        self._source = source
        self._log = log
        self._on_shown = on_shown
        self._clock = VirtualClock()
        self._encoding, self._decoding = EncoderReferences(encoder), DecoderReferences(decoder)
        self._sender = SenderSession(SenderConfig(fps=config.fps), controller)
        self._receiver = ReceiverSession(ReceiverConfig(loss_response=encoder.loss_response))
        self._link = Link(config.uplink)
        self._uplink: Host[LinkEvent, bytes] = Host(self._link, self._clock, self._to_receiver, self._on_uplink)
        self._feedback: Host[LinkEvent, bytes] = Host(Link(config.feedback), self._clock, self._to_sender, _ignore)
        self._sender_host: Host[SenderEvent, bytes] = Host(
            self._sender, self._clock, self._into_uplink, self._on_sender
        )
        self._receiver_host: Host[ReceiverEvent, bytes] = Host(
            self._receiver, self._clock, self._into_feedback, self._on_receiver
        )

    def run(self) -> SessionLog:
        """Run the whole call, once; returns its log."""
        config = self._config
        self._log.emit(0, "session_started", **config.facts)
        end_us = round(config.frames * 1_000_000 / config.fps)
        for frame_id in range(config.frames):
            self._clock.call_at(round(frame_id * 1_000_000 / config.fps), partial(self._capture, frame_id))
        for at_us in range(0, end_us, CAPACITY_STEP_US) if config.capacity is not None else ():
            self._clock.call_at(at_us, self._log_capacity)
        self._clock.run_until(end_us + TAIL_US)
        ignored = {f"ignored_{reason}": count for reason, count in self._receiver.ignored_packets.items()}
        self._log.emit(end_us + TAIL_US, "session_ended", **ignored)
        return self._log

    # -- the network -----------------------------------------------------------------------------------------------

    def _into_uplink(self, datagram: bytes) -> None:
        self._uplink.receive(datagram + SRTP_TAG)

    def _to_receiver(self, datagram: bytes) -> None:
        self._receiver_host.receive(datagram[: -len(SRTP_TAG)])

    def _into_feedback(self, datagram: bytes) -> None:
        self._feedback.receive(datagram + SRTCP_TAIL)

    def _to_sender(self, datagram: bytes) -> None:
        self._sender_host.receive(datagram[: -len(SRTCP_TAIL)])

    def _on_uplink(self, event: LinkEvent) -> None:
        if isinstance(event, LinkDropped):
            try:
                seq = parse_rtp(event.datagram, SenderConfig().transport_seq_id).transport_seq
            except WireFormatError:
                seq = None
            self._log.emit(event.at_us, "packet_dropped", seq=-1 if seq is None else seq, reason=event.reason)

    def _log_capacity(self) -> None:
        now_us = self._clock.now_us()
        assert self._config.capacity is not None
        self._log.emit(now_us, "link_capacity", bps=self._config.capacity.rate_at(now_us))

    # -- capture and encoding ----------------------------------------------------------------------------------------

    def _capture(self, frame_id: int) -> None:
        now_us = self._clock.now_us()
        self._log.emit(now_us, "frame_captured", frame_id=frame_id, captured_us=now_us)
        self._log.emit(now_us, "link_queue", packets=self._link.queued_packets, bytes=self._link.queued_bytes)
        self._sender_host.mutate(lambda at_us: self._sender.on_frame(frame_id, at_us, at_us))

    def _on_sender(self, event: SenderEvent) -> None:
        if isinstance(event, EncodeWanted):
            self._encode(event)
        log_sender_event(self._log, event)

    def _encode(self, order: EncodeWanted) -> None:
        given_us = self._config.cost.of_encoding(order.frame_id, len(order.steps))
        frame = self._source(order.frame_id)
        coded, taken_us = run_timed(partial(self._encoding.encode, order, frame), given_us)
        self._clock.call_at(self._clock.now_us() + taken_us, partial(self._encoded, coded, taken_us))

    def _encoded(self, coded: CodedFrame, encode_us: int) -> None:
        def deliver(now_us: int) -> None:
            frame_id, key = coded.frame_id, coded.key
            lineage = self._sender.on_encoded(frame_id, key, coded.payloads, now_us, encode_us=encode_us)
            self._encoding.keep(coded, lineage)
            self._encoding.forget(self._sender.retained())

        self._sender_host.mutate(deliver)

    # -- decoding and rendering ----------------------------------------------------------------------------------------

    def _on_receiver(self, event: ReceiverEvent) -> None:
        match event:
            case DecodeWanted():
                self._decode(event)
            case CarryWanted():
                self._decoding.carry(event.step)
            case FrameReady():
                self._rendered(event)
            case _:
                log_receiver_event(self._log, event)

    def _decode(self, order: DecodeWanted) -> None:
        frame_id = order.received.frame_id
        given_us = self._config.cost.of_decoding(frame_id, len(order.steps))
        decoded, taken_us = run_timed(partial(self._decoding.decode, order), given_us)
        self._clock.call_at(self._clock.now_us() + taken_us, partial(self._decoded, frame_id, decoded, taken_us))

    def _decoded(self, frame_id: int, decoded: Decoded, decode_us: int) -> None:
        def deliver(now_us: int) -> None:
            lineage = self._receiver.on_decoded(frame_id, decoded, now_us, decode_us=decode_us)
            if lineage is not None:
                self._decoding.keep(decoded, lineage)
            self._decoding.forget(self._receiver.retained())

        self._receiver_host.mutate(deliver)

    def _rendered(self, event: FrameReady) -> None:
        shown, measured = event.frame, None
        if self._config.pixels:
            captured = self._source(event.frame_id)
            measured = FrameQuality(quality.ssim(captured.y, shown.y), quality.psnr_db(captured.y, shown.y))
            if self._on_shown is not None:
                self._on_shown(captured, shown)
        log_rendered(self._log, event.at_us, event.frame_id, event.captured_us, measured)


def _ignore(event: LinkEvent) -> None:
    """Drops on the feedback path are not logged."""
