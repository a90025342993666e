"""The sending half of a call as a pure machine: frames and feedback in, encode orders and paced RTP out.

Knows when to encode, against which reference and within what budget; refuses to know pixels, codecs and sockets.

At most one frame is at the codec, and at most one waits for it: a newer frame takes the place of the one that waits. A
frame's budget is what congestion control gives per frame, less headers and what retransmissions take. Which reference
it is coded against is decided by resync (`grace_transport.resync`), how packets are spread over time by the pacer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from grace_codec.types import Budget
from grace_sender.events import (
    EncodeWanted,
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    KeyFrameReason,
    PacketKind,
    PacketLeft,
    RateChanged,
    Resynced,
    SenderEvent,
    SkipReason,
)
from grace_transport import resync
from grace_transport.congestion.controller import CongestionController
from grace_transport.errors import WireFormatError
from grace_transport.lineage import NO_STATE
from grace_transport.machine import DatagramRejected
from grace_transport.pacer import Pacer, Priority
from grace_transport.retransmission import RetransmissionBuffer
from grace_transport.types import FrameReport, MediaPacket, Nack, PacketSent, Pli
from grace_transport.wire import media, rtp
from grace_transport.wire.feedback import is_frame_feedback, parse_feedback
from grace_transport.wire.rtcp import RtcpPacket, split_compound
from grace_transport.wire.twcc import TwccReader, is_twcc, parse_twcc

RTP_HEADER_BYTES: Final = rtp.HEADER_BYTES + rtp.TRANSPORT_SEQ_BYTES
PACKET_OVERHEAD_BYTES: Final = RTP_HEADER_BYTES + media.HEADER_BYTES
MAX_PADDING_BYTES: Final = 224  # libwebrtc RTPSender::kMaxPaddingLength
RETRANSMISSION_WINDOW_US: Final = 1_000_000
MAX_RETRANSMISSION_SHARE: Final = 0.5  # libwebrtc FecControllerDefault::UpdateFecRates
LOSS_MEMORY_US = 5_000_000  # without a lost packet, before a frame may travel in one packet


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """How one stream is sent.

    fps: frames per second until `set_fps`. profile: the codec profile that packets name. ssrc, payload_type: of the RTP
    packets. transport_seq_id: header extension id of the transport-wide sequence number. max_payload_bytes: of one
    packet. max_queue_us: a frame is skipped while the pacer has this much to send, because it would arrive late.
    key_frame_intervals: a key frame may take the bytes of so many frame intervals. min_frame_bytes: of any budget."""

    fps: float = 25.0
    profile: int = 0
    ssrc: int = 0x47524143
    payload_type: int = 96
    transport_seq_id: int = 3
    max_payload_bytes: int = 1150
    max_queue_us: int = 200_000
    key_frame_intervals: float = 4.0
    min_frame_bytes: int = 200


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A packet in the pacer: everything but the sequence numbers, which it gets when it leaves."""

    payload: bytes
    timestamp: int
    marker: bool
    frame_id: int
    index: int
    kind: PacketKind


class _SentBytes:
    """What left in the last second, and how much of it was retransmitted."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, int, bool]] = deque()  # when, size, retransmitted

    def add(self, size: int, retransmitted: bool, now_us: int) -> None:
        self._forget(now_us)
        self._sent.append((now_us, size, retransmitted))

    def retransmitted_share(self, now_us: int) -> float:
        """0 to MAX_RETRANSMISSION_SHARE."""
        self._forget(now_us)
        retransmitted = sum(size for _, size, again in self._sent if again)
        total = sum(size for _, size, _ in self._sent)
        return min(retransmitted / total, MAX_RETRANSMISSION_SHARE) if retransmitted else 0.0

    def _forget(self, now_us: int) -> None:
        while self._sent and self._sent[0][0] < now_us - RETRANSMISSION_WINDOW_US:
            self._sent.popleft()


class SenderSession:
    """The verbs of a machine (`grace_transport.machine`), and those for the driver that owns camera and codec.

    The driver tells of each captured frame by `on_frame`, and answers each `EncodeWanted` with `on_encoded` or
    `on_encode_failed`. After any call that may change the machine the driver drains it."""

    def __init__(self, config: SenderConfig, controller: CongestionController) -> None:
        self._config = config
        self._controller = controller
        self._pacer: Pacer[_Outgoing] = Pacer(controller.target().pacing_bps)
        self._resync = resync.SenderResync()
        self._sent: RetransmissionBuffer[_Outgoing] = RetransmissionBuffer()
        self._twcc = TwccReader()
        self._events: deque[SenderEvent] = deque()
        self._seq = 0
        self._quiet_since_us: int | None = None  # when a packet was last reported lost, or the first report came
        self._encoding: EncodeWanted | None = None
        self._pending: tuple[int, int, bool] | None = None  # frame id, captured_us, key
        self._fps = config.fps
        self._rate_logged = (0, 0)
        self._last_timestamp = 0
        self._newest_frame_id = 0
        self._newest_key = 0
        self._probe = (0, 0)  # the cluster that is being filled, and the bytes still owed to it
        self._retransmitting: set[tuple[int, int]] = set()  # queued to be sent again
        self._sent_bytes = _SentBytes()

    # -- the driver's side -------------------------------------------------------------------------------------------

    def set_fps(self, fps: float) -> None:
        """Frames come at this rate from now on: the budget of one is its share of a second."""
        self._fps = fps

    @property
    def idle(self) -> bool:
        """Whether nothing is being encoded or waits to be sent."""
        return self._encoding is None and self._pacer.queue_bytes == 0

    def on_frame(self, frame_id: int, captured_us: int, now_us: int, *, key: bool = False) -> None:
        """A frame was captured. It is encoded at once, or after the one being encoded, or skipped; the newest wins.

        `key`: it cannot be coded against an older one, because its size is another."""
        if self._pacer.queue_us(now_us) > self._config.max_queue_us:
            self._events.append(FrameSkipped(now_us, frame_id, SkipReason.SEND_QUEUE))
        elif self._encoding is not None:
            if self._pending is not None:
                self._events.append(FrameSkipped(now_us, self._pending[0], SkipReason.ENCODER_TOO_SLOW))
            self._pending = (frame_id, captured_us, key)
        else:
            self._start_encode(frame_id, captured_us, key, now_us)

    def on_encoded(
        self, frame_id: int, key: bool, payloads: tuple[bytes, ...], now_us: int, *, encode_us: int = 0
    ) -> int:
        """The codec is done, after `encode_us`. Returns the lineage under which to keep the complete frame's state.

        ValueError where this does not answer the order that was given: a bug of the driver or the codec."""
        order = self._encoding
        if order is None or order.frame_id != frame_id:
            raise ValueError(f"frame {frame_id} was not being encoded")
        if not payloads or (key and order.parent) or (not key and not order.parent):
            raise ValueError(f"frame {frame_id}: key={key} with {len(payloads)} payloads does not answer the order")
        self._encoding = None
        lineage = self._resync.on_encoded(frame_id, order.parent, len(payloads), key, now_us)
        self._newest_frame_id = frame_id
        if key:
            self._newest_key = frame_id
        self._report_resync(frame_id, now_us)
        size, total = sum(map(len, payloads)), len(payloads)
        self._events.append(FrameEncoded(now_us, frame_id, key, size, total, order.parent, lineage, encode_us))
        self._enqueue_frame(order, key, payloads, now_us)
        self._start_pending(now_us)
        return lineage

    def on_encode_failed(self, frame_id: int, error: str, now_us: int) -> None:
        """The codec gave nothing for this frame: it is skipped, the next one is encoded as if it had never been."""
        if self._encoding is not None and self._encoding.frame_id == frame_id:
            self._encoding = None
            self._events.append(FrameSkipped(now_us, frame_id, SkipReason.ENCODING_FAILED, error))
            self._start_pending(now_us)

    def retained(self) -> resync.Retained:
        """The states and coded frames that the driver must keep."""
        return self._resync.retained()

    # -- the machine's five verbs --------------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, now_us: int) -> None:
        """An RTCP datagram of the peer's, with any number of packets."""
        try:
            packets = split_compound(data)
        except WireFormatError as error:
            self._events.append(DatagramRejected(now_us, str(error), len(data)))
            return
        for packet in packets:
            self.receive_rtcp(packet, now_us)

    def receive_rtcp(self, packet: RtcpPacket, now_us: int) -> None:
        """One packet of an RTCP datagram that the caller has split; never raises."""
        try:
            if is_twcc(packet):
                self._on_twcc(packet, now_us)
            elif is_frame_feedback(packet):
                self._on_messages(packet, now_us)
        except WireFormatError as error:
            self._events.append(DatagramRejected(now_us, str(error), len(packet.body)))

    def handle_timer(self, now_us: int) -> None:
        """Let congestion control act on time that has passed."""
        timer = self._controller.get_timer()
        if timer is not None and timer <= now_us:
            self._controller.handle_timer(now_us)
            self._follow_rate(now_us)

    def datagrams_to_send(self, now_us: int) -> list[bytes]:
        """RTP packets that the pacer lets go now, with padding where a probe or the controller wants it."""
        for probe in self._controller.probes_to_send(now_us):
            self._pacer.add_probe(probe, now_us)
        out = []
        for item, cluster in self._pacer.pop_due(now_us):
            if item.kind is PacketKind.RETRANSMISSION:
                self._retransmitting.discard((item.frame_id, item.index))
                self._sent.on_retransmitted(item.frame_id, item.index, now_us)
                if item.frame_id < self._newest_key:  # nobody waits for it any more
                    continue
            self._last_timestamp = item.timestamp
            out.append(self._send(item, 0, cluster, now_us))
        padding_bytes, cluster = self._pacer.padding_wanted(now_us)
        if cluster is not None:
            out += self._fill_probe(padding_bytes, cluster, now_us)
        return out

    def get_timer(self) -> int | None:
        """When the pacer or congestion control wants to act next."""
        timers = [t for t in (self._pacer.get_timer(), self._controller.get_timer()) if t is not None]
        return min(timers, default=None)

    def next_event(self) -> SenderEvent | None:
        """The oldest event that was not told yet, or None."""
        return self._events.popleft() if self._events else None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _start_pending(self, now_us: int) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._start_encode(*pending, now_us)

    def _start_encode(self, frame_id: int, captured_us: int, key: bool, now_us: int) -> None:
        rtt_us = self._controller.rtt_us()
        self._resync.set_rtt(rtt_us)
        self._sent.set_rtt(rtt_us)
        plan = self._resync.plan_next(now_us)
        if key and not plan.key:
            plan = resync.Plan(NO_STATE)
            self._events.append(KeyFrameForced(now_us, frame_id, KeyFrameReason.NEW_FRAME_SIZE))
        order = EncodeWanted(now_us, frame_id, captured_us, plan.parent, plan.steps, self._budget(plan.key, now_us))
        self._encoding = order
        self._events.append(order)

    def _report_resync(self, frame_id: int, now_us: int) -> None:
        while (event := self._resync.next_event()) is not None:
            if isinstance(event, resync.Rebased):
                self._events.append(Resynced(now_us, frame_id, event.base_frame_id, event.decoded, event.replayed))
            else:
                reason = KeyFrameReason(event.reason.value)
                self._events.append(KeyFrameForced(now_us, event.frame_id, reason))

    def _budget(self, key: bool, now_us: int) -> Budget:
        """Payload bytes for the next frame: what congestion control allows, less our headers."""
        config = self._config
        wire_bytes = int(
            self._controller.frame_bytes(self._fps, now_us) * (1 - self._sent_bytes.retransmitted_share(now_us))
        )
        if key:
            wire_bytes = int(wire_bytes * config.key_frame_intervals)
        packets = -(-wire_bytes // (config.max_payload_bytes + PACKET_OVERHEAD_BYTES))
        media_bytes = wire_bytes - packets * PACKET_OVERHEAD_BYTES
        least = 1 if self._quiet_since_us is not None and now_us - self._quiet_since_us >= LOSS_MEMORY_US else 2
        return Budget(max(media_bytes, config.min_frame_bytes), config.max_payload_bytes, least)

    def _enqueue_frame(self, order: EncodeWanted, key: bool, payloads: tuple[bytes, ...], now_us: int) -> None:
        total, last = len(payloads), len(payloads) - 1
        timestamp = media.rtp_timestamp(order.captured_us)
        for index, payload in enumerate(payloads):
            packet = MediaPacket(
                order.frame_id, index, total, order.parent, self._config.profile, key, order.captured_us, payload
            )
            item = _Outgoing(
                media.build_media(packet), timestamp, index == last, order.frame_id, index, PacketKind.MEDIA
            )
            self._sent.add(order.frame_id, index, item, len(item.payload), now_us)
            self._enqueue(item, Priority.VIDEO, now_us)

    def _enqueue(self, item: _Outgoing, priority: Priority, now_us: int) -> None:
        self._pacer.enqueue(item, len(item.payload) + RTP_HEADER_BYTES, priority, now_us)

    def _fill_probe(self, size_bytes: int, cluster: int, now_us: int) -> list[bytes]:
        """Copies of the newest frame's packets where there are any, else padding; what exceeds `size_bytes` now is
        taken off the next burst of the same probe."""
        if cluster != self._probe[0]:
            self._probe = (cluster, 0)
        owed_bytes = self._probe[1] + size_bytes
        out = []
        while owed_bytes > 0:
            copy = self._sent.newest(now_us)
            if copy is None:
                padding = min(owed_bytes, MAX_PADDING_BYTES)
                item = _Outgoing(b"", self._last_timestamp, False, -1, 0, PacketKind.PADDING)
            else:
                padding = 0
                payload = media.mark_retransmitted(copy.payload)
                item = replace(copy, payload=payload, kind=PacketKind.RETRANSMISSION)
            out.append(self._send(item, padding, cluster, now_us, probe_filler=True))
            owed_bytes -= len(item.payload) + padding + RTP_HEADER_BYTES
        self._probe = (cluster, owed_bytes)
        return out

    def _send(
        self, item: _Outgoing, padding: int, cluster: int | None, now_us: int, *, probe_filler: bool = False
    ) -> bytes:
        """Give the packet its number, the same for RTP and for the transport, and let it go.

        `probe_filler`: it was made up for a probe, and is no sign of what the application needs."""
        config = self._config
        packet = rtp.RtpPacket(
            payload_type=config.payload_type,
            seq=self._seq & 0xFFFF,
            timestamp=item.timestamp,
            ssrc=config.ssrc,
            payload=item.payload,
            marker=item.marker,
            transport_seq=self._seq & 0xFFFF,
            padding_bytes=padding,
        )
        data = rtp.build_rtp(packet, config.transport_seq_id)
        self._controller.on_packet_sent(PacketSent(self._seq, now_us, len(data), cluster, probe_filler))
        self._events.append(PacketLeft(now_us, self._seq, item.frame_id, item.index, len(data), item.kind))
        self._sent_bytes.add(len(data), item.kind is PacketKind.RETRANSMISSION, now_us)
        self._seq += 1
        return data

    def _on_twcc(self, packet: RtcpPacket, now_us: int) -> None:
        report = parse_twcc(packet)
        self._check_media_ssrc(report.media_ssrc)
        feedback = self._twcc.read(report, self._seq - 1)
        if self._quiet_since_us is None or any(arrived_us is None for _, arrived_us in feedback.arrivals):
            self._quiet_since_us = now_us
        self._controller.on_feedback(feedback, now_us)
        self._follow_rate(now_us)

    def _follow_rate(self, now_us: int) -> None:
        target = self._controller.target()
        self._pacer.set_rate(target.pacing_bps, now_us)
        if (target.bitrate_bps, target.pacing_bps) != self._rate_logged:
            self._rate_logged = (target.bitrate_bps, target.pacing_bps)
            rtt_us, state = self._controller.rtt_us(), self._controller.state
            self._events.append(RateChanged(now_us, target.bitrate_bps, target.pacing_bps, rtt_us, state))

    def _on_messages(self, packet: RtcpPacket, now_us: int) -> None:
        feedback = parse_feedback(packet, self._newest_frame_id)
        self._check_media_ssrc(feedback.media_ssrc)
        for message in feedback.items:
            match message:
                case FrameReport():
                    self._resync.on_report(message, now_us)
                case Pli():
                    self._resync.on_pli(message, now_us)
                case Nack():
                    self._retransmit(message, now_us)

    def _check_media_ssrc(self, ssrc: int) -> None:
        if ssrc != self._config.ssrc:
            raise WireFormatError(f"feedback about stream {ssrc:#x}, ours is {self._config.ssrc:#x}")

    def _retransmit(self, request: Nack, now_us: int) -> None:
        """Queue what is asked for, unless it is queued already (libwebrtc RtpPacketHistory: pending transmission)."""
        for item in self._sent.wanted(request, now_us):
            if (item.frame_id, item.index) not in self._retransmitting and item.frame_id >= self._newest_key:
                self._retransmitting.add((item.frame_id, item.index))
                again = replace(item, payload=media.mark_retransmitted(item.payload), kind=PacketKind.RETRANSMISSION)
                self._enqueue(again, Priority.RETRANSMISSION, now_us)
