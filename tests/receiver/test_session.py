"""Laws of the receiving half, driven by hand: no codec, no network."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.api import LossResponse
from grace_codec.types import Decoded, Frame, Plane
from grace_receiver.events import (
    CarryWanted,
    DecodeWanted,
    FrameDecoded,
    FrameLost,
    FrameReady,
    KeyFrameRequested,
    LossReason,
)
from grace_receiver.session import MAX_WAITING_FRAMES, ReceiverConfig, ReceiverSession
from grace_transport.lineage import lineage
from grace_transport.machine import DatagramRejected
from grace_transport.types import FrameReport, MediaPacket, Nack, Pli
from grace_transport.wire.feedback import Item, is_frame_feedback, parse_feedback
from grace_transport.wire.media import build_media, rtp_timestamp
from grace_transport.wire.rtcp import split_compound
from grace_transport.wire.rtp import RtpPacket, build_rtp

CONFIG = ReceiverConfig()
GREY: Plane = np.zeros((64, 64), np.uint8)


def datagram(frame_id: int, index: int, total: int, parent: int, key: bool = False, seq: int | None = None) -> bytes:
    packet = MediaPacket(frame_id, index, total, parent, CONFIG.profile, key, frame_id * 40_000, b"p%d" % index)
    seq = frame_id * 8 + index if seq is None else seq
    timestamp = rtp_timestamp(packet.captured_us)
    rtp = RtpPacket(CONFIG.payload_type, seq, timestamp, CONFIG.media_ssrc, build_media(packet), transport_seq=seq)
    return build_rtp(rtp, CONFIG.transport_seq_id)


def events_of(session: ReceiverSession) -> list[object]:
    return list(iter(session.next_event, None))


def orders_of(session: ReceiverSession) -> list[DecodeWanted]:
    return [event for event in events_of(session) if isinstance(event, DecodeWanted)]


def decoded(used: Iterable[int]) -> Decoded:
    return Decoded(Frame(0, 0, GREY, GREY, GREY), object(), frozenset(used))


def messages(session: ReceiverSession, now_us: int, newest: int = 0) -> list[Item]:
    compounds = [split_compound(data) for data in session.datagrams_to_send(now_us)]
    ours = [packet for packets in compounds for packet in packets if is_frame_feedback(packet)]
    return [item for packet in ours for item in parse_feedback(packet, newest).items]


def receive_key(session: ReceiverSession) -> int:
    session.receive_datagram(datagram(0, 0, 1, 0, key=True), 0)
    assert len(orders_of(session)) == 1
    name = session.on_decoded(0, decoded([0]), 1000)
    assert name is not None
    return name


def test_complete_key_frame_is_decoded_and_shown() -> None:
    session = ReceiverSession(CONFIG)
    session.receive_datagram(datagram(0, 0, 2, 0, key=True), 0)
    assert orders_of(session) == []
    session.receive_datagram(datagram(0, 1, 2, 0, key=True), 500)
    [order] = orders_of(session)
    assert (order.parent, dict(order.received.payloads)) == (0, {0: b"p0", 1: b"p1"})
    assert session.on_decoded(0, decoded([0, 1]), 900) == lineage(0, 0, 2, 0b11)
    kinds = [type(event) for event in events_of(session)]
    assert kinds == [FrameDecoded, FrameReady]


def test_partial_frame_is_decoded_as_soon_as_a_later_packet_arrives() -> None:
    session = ReceiverSession(CONFIG)
    key = receive_key(session)
    session.receive_datagram(datagram(1, 0, 3, key), 40_000)
    session.receive_datagram(datagram(1, 2, 3, key), 41_000)
    assert orders_of(session) == []
    session.receive_datagram(datagram(2, 0, 2, lineage(key, 1, 3, 0b111)), 80_000)
    [order] = orders_of(session)
    assert (order.received.frame_id, sorted(order.received.payloads), order.received.total) == (1, [0, 2], 3)


def test_partial_frame_is_reported_with_what_was_used() -> None:
    session = ReceiverSession(CONFIG)
    key = receive_key(session)
    messages(session, 1000)
    session.receive_datagram(datagram(1, 0, 3, key), 40_000)
    session.receive_datagram(datagram(1, 2, 3, key), 41_000)
    session.handle_timer(40_000 + CONFIG.deadline_us)
    [order] = orders_of(session)
    name = session.on_decoded(1, decoded([2]), 250_000)  # the codec rejected payload 0
    assert name == lineage(key, 1, 3, 0b100)
    assert FrameReport(1, name, 3, 0b100) in messages(session, 250_000)
    assert order.parent == key


def test_frame_of_which_nothing_arrived_carries_the_state_on() -> None:
    session = ReceiverSession(CONFIG)
    key = receive_key(session)
    session.receive_datagram(datagram(2, 0, 1, 77), 80_000)
    carried = [event for event in events_of(session) if isinstance(event, CarryWanted)]
    assert [(event.step.parent, event.step.result) for event in carried] == [(key, lineage(key, 1, 0, 0))]


def test_state_is_retained_until_the_driver_has_heard_that_it_is_carried_on() -> None:
    session = ReceiverSession(CONFIG)
    key = receive_key(session)
    session.receive_datagram(datagram(1, 0, 1, key), 40_000)
    assert len(orders_of(session)) == 1
    session.receive_datagram(datagram(4, 0, 1, 77), 160_000)  # nothing of 2 and 3 while 1 is being decoded
    reached = session.on_decoded(1, decoded([0]), 161_000)
    assert reached in session.retained().lineages
    carried = [event.step for event in events_of(session) if isinstance(event, CarryWanted)]
    assert [step.parent for step in carried] == [reached, carried[0].result]


def test_without_a_key_frame_one_is_requested() -> None:
    session = ReceiverSession(CONFIG)
    session.receive_datagram(datagram(5, 0, 1, 1234), 0)
    assert any(isinstance(event, FrameLost) for event in events_of(session))
    assert Pli(5) in messages(session, 0, newest=5)
    assert any(isinstance(event, KeyFrameRequested) for event in events_of(session))


def test_whole_frames_alone_wait_for_their_missing_packets() -> None:
    session = ReceiverSession(ReceiverConfig(loss_response=LossResponse.RETRANSMIT))
    key = receive_key(session)
    session.receive_datagram(datagram(1, 1, 2, key), 40_000)
    session.receive_datagram(datagram(2, 0, 1, lineage(key, 1, 2, 0b11)), 80_000)
    assert orders_of(session) == []
    timer_us = session.get_timer()
    assert timer_us is not None
    assert Nack(1, 0b01) in messages(session, max(timer_us, 85_000), newest=2)
    session.receive_datagram(datagram(1, 0, 2, key), 300_000)
    assert [order.received.frame_id for order in orders_of(session)] == [1]
    session.on_decoded(1, decoded([0, 1]), 301_000)
    assert [order.received.frame_id for order in orders_of(session)] == [2]


def test_frames_that_waited_too_long_for_the_decoder_are_skipped_but_the_newest() -> None:
    session = ReceiverSession(replace(CONFIG, max_waiting_us=100_000))
    key = receive_key(session)
    parent = key
    for frame_id in range(1, 6):  # the decoder is busy with frame 1 all the time
        session.receive_datagram(datagram(frame_id, 0, 1, parent), frame_id * 40_000)
        parent = lineage(parent, frame_id, 1, 1)
    [first] = orders_of(session)
    session.on_decoded(first.received.frame_id, decoded([0]), 250_000)
    told = events_of(session)
    [order] = [event for event in told if isinstance(event, DecodeWanted)]
    assert order.received.frame_id == 4
    lost = [event for event in told if isinstance(event, FrameLost)]
    assert [(event.frame_id, event.reason) for event in lost] == [
        (2, LossReason.DECODER_TOO_SLOW),
        (3, LossReason.DECODER_TOO_SLOW),
    ]
    session.on_decoded(4, decoded([0]), 900_000)
    assert [order.received.frame_id for order in orders_of(session)] == [5]  # late as well, but there is no newer one


def test_slow_decoder_gives_up_old_frames_and_never_more_than_its_queue() -> None:
    session = ReceiverSession(CONFIG)
    parent = receive_key(session)
    for frame_id in range(1, 3 * MAX_WAITING_FRAMES):
        session.receive_datagram(datagram(frame_id, 0, 1, parent), frame_id * 40_000)
        parent = lineage(parent, frame_id, 1, 1)
    assert len(orders_of(session)) == 1
    session.on_decoded(1, decoded([0]), 9_000_000)
    lost = [event for event in events_of(session) if isinstance(event, FrameLost)]
    assert len(lost) == 3 * MAX_WAITING_FRAMES - 2 - MAX_WAITING_FRAMES


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_arbitrary_datagrams_never_raise_and_are_told(datagrams: list[bytes]) -> None:
    session = ReceiverSession(CONFIG)
    for data in datagrams:
        session.receive_datagram(data, 0)
    assert sum(isinstance(event, DatagramRejected) for event in events_of(session)) == len(datagrams)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(1, 4), st.integers(0, 3)), max_size=60))
def test_contradictory_packets_never_raise(packets: list[tuple[int, int, int, int]]) -> None:
    session = ReceiverSession(CONFIG)
    receive_key(session)
    for now_us, (frame_id, index, total, parent) in enumerate(packets):
        if index < total:
            session.receive_datagram(datagram(frame_id, index, total, parent), now_us * 1000)
            for order in orders_of(session):
                session.on_decoded(order.received.frame_id, decoded(order.received.payloads), now_us * 1000)
    session.handle_timer(10_000_000)
    session.datagrams_to_send(10_000_000)
