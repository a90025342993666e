"""Laws of the sending half, driven by hand: no codec, no network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_sender.events import (
    EncodeWanted,
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    KeyFrameReason,
    PacketKind,
    PacketLeft,
    Resynced,
    SenderEvent,
    SkipReason,
)
from grace_sender.session import PACKET_OVERHEAD_BYTES, SenderConfig, SenderSession
from grace_transport.congestion import CONTROLLERS
from grace_transport.lineage import lineage
from grace_transport.machine import DatagramRejected
from grace_transport.resync import StepKind
from grace_transport.resync.sender import TRANSITIONS, SenderState
from grace_transport.types import FrameReport, MediaPacket, Nack, Pli
from grace_transport.wire.feedback import build_feedback
from grace_transport.wire.media import MediaParser
from grace_transport.wire.recorder import TwccRecorder
from grace_transport.wire.rtp import parse_rtp

FRAME_US = 40_000


def make_session(start_bps: int = 1_000_000) -> SenderSession:
    controller = CONTROLLERS["fixed"](start_bps=start_bps, min_bps=start_bps, max_bps=start_bps)
    return SenderSession(SenderConfig(fps=25), controller)


def events_of(session: SenderSession) -> list[SenderEvent]:
    return list(iter(session.next_event, None))


def order_of(session: SenderSession) -> EncodeWanted:
    [order] = [event for event in events_of(session) if isinstance(event, EncodeWanted)]
    return order


def drain(session: SenderSession, from_us: int, until_us: int) -> list[MediaPacket]:
    """Run timers up to `until_us`; what left, parsed."""
    parser, packets, now_us = MediaParser(), list[MediaPacket](), from_us
    while now_us <= until_us:
        session.handle_timer(now_us)
        for data in session.datagrams_to_send(now_us):
            rtp = parse_rtp(data, SenderConfig().transport_seq_id)
            if rtp.payload:
                packets.append(parser.parse(rtp.payload, rtp.timestamp))
        timer_us = session.get_timer()
        if timer_us is None:
            break
        now_us = max(timer_us, now_us + 1)
    return packets


def send_frame(session: SenderSession, frame_id: int, payloads: tuple[bytes, ...], key: bool = False) -> int:
    now_us = frame_id * FRAME_US
    session.on_frame(frame_id, now_us, now_us)
    events_of(session)
    return session.on_encoded(frame_id, key, payloads, now_us)


def tell(session: SenderSession, *items: FrameReport | Pli | Nack, at_us: int) -> None:
    for data in build_feedback(items, 1, SenderConfig().ssrc):
        session.receive_datagram(data, at_us)


def test_first_frame_is_a_key_frame_and_its_packets_say_so() -> None:
    session = make_session()
    session.on_frame(0, 0, 0)
    assert order_of(session).parent == 0
    complete = session.on_encoded(0, True, (b"one", b"two"), 10_000)
    assert complete == lineage(0, 0, 2, 0b11)
    packets = drain(session, 10_000, 50_000)
    assert [(p.frame_id, p.index, p.total, p.key, p.parent, p.payload) for p in packets] == [
        (0, 0, 2, True, 0, b"one"),
        (0, 1, 2, True, 0, b"two"),
    ]
    assert next(event for event in events_of(session) if isinstance(event, FrameEncoded)).lineage == complete


def test_next_frame_is_coded_as_if_everything_arrived() -> None:
    session = make_session()
    complete = send_frame(session, 0, (b"k",), key=True)
    session.on_frame(1, FRAME_US, FRAME_US)
    order = order_of(session)
    assert (order.parent, order.steps) == (complete, ())


def test_reported_loss_rebases_the_next_frame() -> None:
    session = make_session()
    key = send_frame(session, 0, (b"k",), key=True)
    send_frame(session, 1, (b"a", b"b"))
    send_frame(session, 2, (b"c",))
    reached = lineage(key, 1, 2, 0b01)
    tell(session, FrameReport(1, reached, 2, 0b01), at_us=100_000)
    session.on_frame(3, 120_000, 120_000)
    order = order_of(session)
    assert [(step.kind, step.frame_id, step.received, step.parent) for step in order.steps] == [
        (StepKind.DECODE, 1, 0b01, key),
        (StepKind.REPLAY, 2, 0b1, reached),
    ]
    assert order.parent == lineage(reached, 2, 1, 1, replayed=True)
    session.on_encoded(3, False, (b"d",), 130_000)
    [resynced] = [event for event in events_of(session) if isinstance(event, Resynced)]
    assert (resynced.frame_id, resynced.base_frame_id, resynced.replayed) == (3, 1, 1)


def test_key_frame_request_is_answered_with_the_next_frame() -> None:
    session = make_session()
    send_frame(session, 0, (b"k",), key=True)
    send_frame(session, 1, (b"a",))
    tell(session, Pli(1), at_us=1_000_000)
    session.on_frame(2, 1_000_000, 1_000_000)
    assert order_of(session).parent == 0
    session.on_encoded(2, True, (b"k2",), 1_010_000)
    assert any(isinstance(event, KeyFrameForced) for event in events_of(session))


def test_slow_encoder_skips_the_older_of_two_waiting_frames() -> None:
    session = make_session()
    session.on_frame(0, 0, 0)
    session.on_frame(1, 40_000, 40_000)
    session.on_frame(2, 80_000, 80_000)
    skipped = [event for event in events_of(session) if isinstance(event, FrameSkipped)]
    assert [(event.frame_id, event.reason) for event in skipped] == [(1, SkipReason.ENCODER_TOO_SLOW)]
    session.on_encoded(0, True, (b"k",), 90_000)
    assert order_of(session).frame_id == 2


def test_failed_encode_is_skipped_and_the_waiting_frame_follows() -> None:
    session = make_session()
    complete = send_frame(session, 0, (b"k",), key=True)
    session.on_frame(1, 40_000, 40_000)
    session.on_frame(2, 80_000, 80_000)
    events_of(session)
    session.on_encode_failed(1, "encoder died", 90_000)
    events = events_of(session)
    assert [event.frame_id for event in events if isinstance(event, FrameSkipped)] == [1]
    assert [(e.frame_id, e.parent) for e in events if isinstance(e, EncodeWanted)] == [(2, complete)]


def test_frame_is_skipped_while_the_send_queue_is_long() -> None:
    session = make_session(start_bps=100_000)  # paced at 250 kbit/s: 20 kB take 640 ms
    send_frame(session, 0, (bytes(1000),) * 20, key=True)
    session.on_frame(1, FRAME_US, FRAME_US)
    [skipped] = [event for event in events_of(session) if isinstance(event, FrameSkipped)]
    assert skipped.reason is SkipReason.SEND_QUEUE


def test_budget_leaves_room_for_headers_and_key_frames_take_more() -> None:
    session = make_session(start_bps=1_000_000)  # 5000 bytes a frame on the wire: 5 packets
    session.on_frame(0, 0, 0)
    key_order = order_of(session)
    session.on_encoded(0, True, (b"k",), 0)
    session.on_frame(1, FRAME_US, FRAME_US)
    assert order_of(session).budget.frame_bytes == 5000 - 5 * PACKET_OVERHEAD_BYTES
    assert key_order.budget.frame_bytes > 3 * (5000 - 5 * PACKET_OVERHEAD_BYTES)


def test_lost_packet_is_retransmitted_once_and_marked() -> None:
    session = make_session()
    send_frame(session, 0, (b"k0", b"k1", b"k2"), key=True)
    drain(session, 0, 50_000)
    tell(session, Nack(0, 0b010), at_us=60_000)
    tell(session, Nack(0, 0b010), at_us=60_000)
    packets = drain(session, 60_000, 200_000)
    assert [(p.index, p.retransmitted, p.payload) for p in packets] == [(1, True, b"k1")]
    kinds = [event.kind for event in events_of(session) if isinstance(event, PacketLeft)]
    assert kinds.count(PacketKind.RETRANSMISSION) == 1


def test_frames_before_a_key_frame_are_not_retransmitted() -> None:
    session = make_session()
    send_frame(session, 0, (b"k",), key=True)
    drain(session, 0, 30_000)
    tell(session, Pli(0), at_us=1_000_000)
    session.on_frame(1, 1_000_000, 1_000_000)
    session.on_encoded(1, True, (b"k2",), 1_000_000)
    drain(session, 1_000_000, 1_050_000)
    tell(session, Nack(0, 0b1), at_us=1_100_000)
    assert drain(session, 1_100_000, 1_200_000) == []


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_arbitrary_feedback_never_raises(datagrams: list[bytes]) -> None:
    session = make_session()
    send_frame(session, 0, (b"k",), key=True)
    for data in datagrams:
        session.receive_datagram(data, 1000)
    session.on_frame(1, FRAME_US, FRAME_US)
    assert order_of(session)


def test_bad_feedback_is_told() -> None:
    session = make_session()
    session.receive_datagram(b"\x80\xcd", 5)
    [rejected] = events_of(session)
    assert isinstance(rejected, DatagramRejected)
    assert (rejected.at_us, rejected.size_bytes) == (5, 2)


def budget_after_retransmission(waited_us: int) -> int:
    """Payload bytes for a frame that comes so long after four packets and the retransmission of one of them."""
    session = make_session()
    send_frame(session, 0, (b"x" * 1000,) * 4, key=True)
    drain(session, 0, 80_000)
    tell(session, Nack(0, 1), at_us=100_000)
    drain(session, 100_000, 120_000)
    session.on_frame(9, 120_000 + waited_us, 120_000 + waited_us)
    return order_of(session).budget.frame_bytes


def test_retransmissions_of_the_last_second_come_out_of_the_budget_and_older_ones_do_not() -> None:
    undisturbed = 5000 - 5 * PACKET_OVERHEAD_BYTES
    assert budget_after_retransmission(10_000) == pytest.approx(0.8 * undisturbed, rel=0.05)  # one of five packets
    assert budget_after_retransmission(1_100_000) == undisturbed


def test_frame_of_another_size_is_a_key_frame_also_when_it_had_to_wait() -> None:
    session = make_session()
    send_frame(session, 0, (b"k",), key=True)
    session.on_frame(1, FRAME_US, FRAME_US)
    session.on_frame(2, 2 * FRAME_US, 2 * FRAME_US, key=True)  # while frame 1 is being encoded
    assert order_of(session).parent != 0
    session.on_encoded(1, False, (b"a",), 2 * FRAME_US)
    told = events_of(session)
    [order] = [event for event in told if isinstance(event, EncodeWanted)]
    assert (order.frame_id, order.parent, order.steps) == (2, 0, ())
    assert [event.reason for event in told if isinstance(event, KeyFrameForced)] == [KeyFrameReason.NEW_FRAME_SIZE]
    complete = session.on_encoded(2, True, (b"k2",), 3 * FRAME_US)
    session.on_frame(3, 3 * FRAME_US, 3 * FRAME_US)
    assert order_of(session).parent == complete


def test_budget_is_the_share_of_a_frame_at_the_rate_that_frames_come() -> None:
    session = make_session()
    send_frame(session, 0, (b"k",), key=True)
    session.on_frame(1, FRAME_US, FRAME_US)
    at_25 = order_of(session).budget.frame_bytes
    session.on_encoded(1, False, (b"a",), FRAME_US)
    session.set_fps(12.5)
    session.on_frame(2, 3 * FRAME_US, 3 * FRAME_US)
    assert 1.9 * at_25 < order_of(session).budget.frame_bytes < 2.1 * at_25


def report(session: SenderSession, arrived: range, at_us: int) -> None:
    """The receiver's transport-wide report: these sequence numbers arrived; those between that are missing are lost."""
    recorder = TwccRecorder(1, SenderConfig().ssrc)
    for seq in arrived:
        recorder.on_packet(seq, at_us)
    data = recorder.build(at_us)
    assert data is not None
    session.receive_datagram(data, at_us)


def test_frames_are_spread_over_two_packets_until_five_seconds_pass_without_a_loss() -> None:
    session = make_session()
    wanted = []
    for frame_id in range(400):
        now_us = frame_id * FRAME_US
        session.on_frame(frame_id, now_us, now_us)
        wanted.append(order_of(session).budget.min_payloads)
        session.on_encoded(frame_id, frame_id == 0, (b"a", b"b"), now_us)
        drain(session, now_us, now_us + FRAME_US - 1)
        lost_one = frame_id == 200
        report(session, range(2 * frame_id, 2 * frame_id + 2, 2 if lost_one else 1), now_us + FRAME_US - 1)
        if lost_one:  # the next report shows that the packet between is missing
            report(session, range(2 * frame_id, 2 * frame_id + 3, 2), now_us + FRAME_US - 1)
    assert wanted[:125] == [2] * 125
    assert wanted[130:200] == [1] * 70
    assert wanted[205:320] == [2] * 115
    assert wanted[330:] == [1] * 70


def test_idle_is_when_nothing_is_encoded_or_waits_to_leave() -> None:
    session = make_session()
    assert session.idle
    session.on_frame(0, 0, 0)
    assert not session.idle
    session.on_encoded(0, True, (b"k",), 0)
    assert not session.idle
    drain(session, 0, 100_000)
    assert session.idle


def test_feedback_about_another_stream_is_rejected() -> None:
    session = make_session()
    key = send_frame(session, 0, (b"k",), key=True)
    events_of(session)
    other = SenderConfig().ssrc + 1
    recorder = TwccRecorder(1, other)
    recorder.on_packet(0, 0)
    datagrams = [*build_feedback([Pli(0)], 1, other), recorder.build(100_000)]
    for data in datagrams:
        assert data is not None
        session.receive_datagram(data, 1_000_000)
    reasons = [event.reason for event in events_of(session) if isinstance(event, DatagramRejected)]
    assert len(reasons) == 2
    assert all("feedback about stream" in reason for reason in reasons)
    session.on_frame(1, 1_000_000, 1_000_000)
    assert order_of(session).parent == key


def test_every_verdict_that_ends_resync_is_a_reason_for_a_key_frame() -> None:
    ends = {verdict.value for (_, verdict), state in TRANSITIONS.items() if state is SenderState.KEY}
    assert ends == {reason.value for reason in KeyFrameReason} - {KeyFrameReason.NEW_FRAME_SIZE.value}
