"""The receiving half of a call as a pure machine: RTP in, decode orders and feedback out.

Knows which packets make a frame, which reference it needs and what to tell the sender; refuses to know pixels.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Final

from grace_codec.api import LossResponse
from grace_codec.types import Decoded, ReceivedFrame
from grace_receiver.events import (
    CarryWanted,
    DecodeWanted,
    FrameDecoded,
    FrameLost,
    FrameReady,
    KeyFrameRequested,
    LossReason,
    PacketArrived,
    ReceiverEvent,
)
from grace_transport.assembler import AssembledFrame, FrameAssembler, FrameGivenUp
from grace_transport.errors import WireFormatError
from grace_transport.machine import DatagramRejected
from grace_transport.resync import Action, ReceiverResync, Retained
from grace_transport.retransmission import NackRequester
from grace_transport.types import Pli
from grace_transport.wire.feedback import Item, build_feedback
from grace_transport.wire.media import MediaParser
from grace_transport.wire.recorder import TwccRecorder
from grace_transport.wire.rtp import parse_rtp

MAX_WAITING_FRAMES: Final = 16  # for the decoder; of more, the oldest are given up: late frames are worth nothing


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """How one stream is received.

    loss_response: that of the sender's scheme. profile: the codec profile that its packets must name. ssrc: under which
    we report. media_ssrc, payload_type, transport_seq_id: of the stream. rtt_us: a first guess of the round trip."""

    loss_response: LossResponse = LossResponse.RESYNC
    profile: int = 0
    ssrc: int = 0x52454356
    media_ssrc: int = 0x47524143
    payload_type: int = 96
    transport_seq_id: int = 3
    rtt_us: int = 200_000
    deadline_us: int = 200_000  # partial frames: how long a frame waits for its packets while no newer one comes
    give_up_us: int = 1_000_000  # whole frames: how long an incomplete one blocks those behind it
    max_waiting_us: int | None = None  # for the decoder, P-frames with newer ones behind them; None: no such limit


class ReceiverSession:
    """The verbs of a machine (`grace_transport.machine`), and `on_decoded` for the driver that owns codec and screen.

    The driver answers each `DecodeWanted` with `on_decoded`; at most one frame is at the codec. After any call that may
    change the machine the driver drains it."""

    def __init__(self, config: ReceiverConfig) -> None:
        self._config = config
        ordered = config.loss_response is LossResponse.RETRANSMIT
        self._assembler = FrameAssembler(config.give_up_us if ordered else config.deadline_us, ordered)
        self._nacks = NackRequester(key_frames_only=not ordered)
        self._resync = ReceiverResync()
        self._recorder = TwccRecorder(config.ssrc, config.media_ssrc)
        self._media = MediaParser()
        self._waiting: deque[tuple[int, AssembledFrame]] = deque()  # since when
        self._decoding: tuple[DecodeWanted, bool] | None = None
        self._events: deque[ReceiverEvent] = deque()
        self.set_rtt(config.rtt_us)

    @property
    def ignored_packets(self) -> Counter[str]:
        """Well-formed packets that were of no use, by reason (late, duplicate, contradictory, ...)."""
        return self._assembler.dropped

    def set_rtt(self, rtt_us: int) -> None:
        """A better guess of the round trip: paces repeated reports and requests. Answered requests improve it."""
        self._nacks.set_rtt(rtt_us)
        self._resync.set_rtt(rtt_us)

    # -- the driver's side -------------------------------------------------------------------------------------------

    def on_decoded(self, frame_id: int, decoded: Decoded, now_us: int, *, decode_us: int = 0) -> int | None:
        """The codec is done, after `decode_us`. Returns the name to keep the state under; None if it could use nothing.

        ValueError where this frame was not being decoded: a bug of the driver."""
        if self._decoding is None or self._decoding[0].received.frame_id != frame_id:
            raise ValueError(f"frame {frame_id} was not being decoded")
        (order, in_sync), self._decoding = self._decoding, None
        used = sum(1 << index for index in decoded.used)
        lineage = None
        if used and decoded.reference is not None:
            lineage = self._resync.on_decoded(frame_id, used, now_us)
            received, total = len(decoded.used), order.received.total
            self._events.append(FrameDecoded(now_us, frame_id, received, total, in_sync, lineage, decode_us))
            if decoded.frame is not None:
                self._events.append(FrameReady(now_us, frame_id, order.captured_us, decoded.frame))
        else:
            detail = next(iter(decoded.rejected.values()), "")
            self._carry(frame_id, LossReason.NOT_DECODABLE, now_us, detail)
        self._decode_next(now_us)
        return lineage

    def retained(self) -> Retained:
        """The states and received frames that the driver must keep, for what it has yet to hear too."""
        kept = self._resync.retained()
        named = {event.step.parent for event in self._events if isinstance(event, CarryWanted)}
        return Retained(kept.lineages | named, kept.oldest_frame_id) if named else kept

    # -- the machine's five verbs --------------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, now_us: int) -> None:
        """An RTP packet of the stream. Anything else becomes a `DatagramRejected`."""
        config = self._config
        try:
            packet = parse_rtp(data, config.transport_seq_id)
            if packet.ssrc != config.media_ssrc or packet.payload_type != config.payload_type:
                raise WireFormatError(f"stream {packet.ssrc:#x} with payload type {packet.payload_type} is not ours")
            if packet.transport_seq is not None:
                self._recorder.on_packet(packet.transport_seq, now_us)
                self._events.append(PacketArrived(now_us, packet.transport_seq, len(data)))
            if not packet.payload:  # padding: a probe
                return
            media = self._media.parse(packet.payload, packet.timestamp, now_us)
            if media.profile != config.profile:
                raise WireFormatError(f"profile {media.profile}, expected {config.profile}")
        except WireFormatError as error:
            self._events.append(DatagramRejected(now_us, str(error), len(data)))
            return
        self._nacks.on_packet(media, now_us)
        if media.retransmitted and self._nacks.rtt_us is not None:
            self._resync.set_rtt(self._nacks.rtt_us)
        self._assembler.on_packet(media, now_us)
        self._advance(now_us)

    def handle_timer(self, now_us: int) -> None:
        """Give up waiting for packets whose frame is overdue."""
        self._assembler.handle_timer(now_us)
        self._advance(now_us)

    def datagrams_to_send(self, now_us: int) -> list[bytes]:
        """RTCP that is due: transport-wide feedback, frame reports, NACKs and PLIs."""
        datagrams = []
        while (due_us := self._recorder.get_timer()) is not None and due_us <= now_us:
            report = self._recorder.build(now_us)
            if report is not None:
                datagrams.append(report)
        items: list[Item] = [*self._resync.reports_to_send(now_us), *self._nacks.requests_to_send(now_us)]
        if items:
            for item in items:
                if isinstance(item, Pli):
                    self._events.append(KeyFrameRequested(now_us, item.last_frame_id))
            datagrams += build_feedback(items, self._config.ssrc, self._config.media_ssrc)
        return datagrams

    def get_timer(self) -> int | None:
        """When the assembler, a report or a request wants to act next."""
        parts = (self._assembler, self._recorder, self._resync, self._nacks)
        return min((at_us for part in parts if (at_us := part.get_timer()) is not None), default=None)

    def next_event(self) -> ReceiverEvent | None:
        """The oldest event that was not told yet, or None."""
        return self._events.popleft() if self._events else None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        """Take over what the assembler has ready, and go on decoding."""
        while (event := self._assembler.next_event()) is not None:
            if isinstance(event, FrameGivenUp):
                self._events.append(FrameLost(now_us, event.frame_id, LossReason.NEVER_COMPLETE))
                self._resync.key_frames.ask(event.frame_id, now_us)
            else:
                self._waiting.clear()
                self._resync.reset()
        while (frame := self._assembler.next_frame()) is not None:
            self._nacks.on_frame_done(frame.frame_id)
            self._waiting.append((now_us, frame))
            if len(self._waiting) > MAX_WAITING_FRAMES:
                since_us, late = self._waiting[-MAX_WAITING_FRAMES - 1]
                self._waiting[-MAX_WAITING_FRAMES - 1] = since_us, replace(late, payloads={})
        self._decode_next(now_us)

    def _decode_next(self, now_us: int) -> None:
        while self._decoding is None and self._waiting:
            since_us, frame = self._waiting.popleft()
            late = self._is_late(frame, since_us, now_us)
            if late:
                frame = replace(frame, payloads={})
            plan = self._resync.plan(frame, now_us)
            if plan.action is Action.WAIT:
                self._events.append(FrameLost(now_us, frame.frame_id, LossReason.NO_REFERENCE))
            elif plan.action is Action.CARRY:
                reason = LossReason.INCOMPLETE_KEY_FRAME if frame.payloads else LossReason.NOTHING_TO_DECODE
                self._carry(frame.frame_id, LossReason.DECODER_TOO_SLOW if late else reason, now_us)
            else:
                received = ReceivedFrame(frame.frame_id, frame.key, frame.total, frame.payloads)
                order = DecodeWanted(now_us, received, frame.captured_us or 0, plan.parent, plan.steps)
                self._decoding = order, plan.in_sync
                self._events.append(order)

    def _is_late(self, frame: AssembledFrame, since_us: int, now_us: int) -> bool:
        """A decoder that cannot follow skips frames, rather than showing all of them ever later."""
        limit_us = self._config.max_waiting_us
        return limit_us is not None and now_us - since_us > limit_us and bool(self._waiting) and not frame.key

    def _carry(self, frame_id: int, reason: LossReason, now_us: int, detail: str = "") -> None:
        self._events.append(FrameLost(now_us, frame_id, reason, detail))
        step = self._resync.on_lost(frame_id, now_us)
        if step is not None:
            self._events.append(CarryWanted(now_us, step))
