"""Asking again, and answering."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from grace_transport.lineage import lineage
from grace_transport.retransmission import KeyFrameRequester, NackRequester, RetransmissionBuffer
from grace_transport.types import MediaPacket, Nack, Pli

MS = 1_000


def packet(frame_id: int, index: int = 0, total: int = 4, *, parent: int = 7, key: bool = False) -> MediaPacket:
    return MediaPacket(frame_id, index, total, 0 if key else parent, 1, key, 0, b"x")


def new_requester(*, key_frames_only: bool = False) -> NackRequester:
    return NackRequester(key_frames_only=key_frames_only, reorder_us=5 * MS)


def test_gap_within_a_frame_is_asked_for_after_the_reordering_allowance() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 0), 0)
    requester.on_packet(packet(0, 3), 1 * MS)
    assert requester.get_timer() == 6 * MS
    assert requester.requests_to_send(5 * MS) == ()
    assert requester.requests_to_send(6 * MS) == (Nack(0, 0b0110),)


def test_reordered_packets_are_not_asked_for() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 1), 0)
    requester.on_packet(packet(0, 0), 4 * MS)
    assert requester.requests_to_send(6 * MS) == ()
    assert requester.get_timer() is None


def test_end_of_a_frame_is_missing_once_a_later_frame_starts() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 0), 0)
    assert requester.get_timer() is None
    requester.on_packet(packet(1, 0), 33 * MS)
    assert requester.requests_to_send(38 * MS) == (Nack(0, 0b1110),)


def test_frame_of_which_nothing_came_is_asked_for_whole() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 0, total=1), 0)
    requester.on_packet(packet(2, 0, total=1), 66 * MS)
    assert requester.requests_to_send(71 * MS) == (Nack(1, 0),)


def test_packets_of_a_frame_that_was_asked_for_whole_are_not_asked_for_again_at_once() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 0, total=1), 0)
    requester.on_packet(packet(2, 0, total=1), 66 * MS)
    requester.requests_to_send(71 * MS)
    requester.on_packet(packet(1, 2), 100 * MS)
    assert requester.get_timer() == 121 * MS
    assert requester.requests_to_send(121 * MS) == (Nack(1, 0b1011),)


def test_number_that_was_passed_over_is_not_asked_for() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 0, total=1), 0)
    requester.on_packet(packet(2, 0, total=1, parent=lineage(7, 0, 1, 1)), 66 * MS)
    assert requester.get_timer() is None


def test_request_is_repeated_every_round_trip_ten_times() -> None:
    requester = new_requester()
    requester.set_rtt(80 * MS)
    requester.on_packet(packet(0, 1), 0)
    times = []
    while (timer := requester.get_timer()) is not None:
        times.append(timer)
        assert requester.requests_to_send(timer) == (Nack(0, 0b01),)
    assert times == [5 * MS + 80 * MS * attempt for attempt in range(10)]


def test_repetition_waits_50_ms_at_the_least() -> None:
    requester = new_requester()
    requester.set_rtt(1 * MS)
    requester.on_packet(packet(0, 1), 0)
    requester.requests_to_send(5 * MS)
    assert requester.get_timer() == 55 * MS


def test_new_gap_does_not_ask_for_the_old_one_again() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 1), 0)
    assert requester.requests_to_send(5 * MS) == (Nack(0, 0b0001),)
    requester.on_packet(packet(0, 3), 10 * MS)
    assert requester.requests_to_send(15 * MS) == (Nack(0, 0b0100),)
    assert requester.requests_to_send(65 * MS) == (Nack(0, 0b0101),)


def test_asking_ends_when_the_gap_closes() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 1, total=2), 0)
    requester.requests_to_send(5 * MS)
    requester.on_packet(packet(0, 0, total=2), 40 * MS)
    assert requester.get_timer() is None


def test_asking_ends_when_the_frame_is_done() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 1), 0)
    requester.on_packet(packet(1, 1), 1 * MS)
    requester.on_frame_done(0)
    assert [request.frame_id for request in requester.requests_to_send(10 * MS)] == [1]
    requester.on_frame_done(1)
    assert requester.get_timer() is None
    requester.on_packet(packet(0, 2), 20 * MS)  # late
    assert requester.get_timer() is None


def test_only_key_frames_are_asked_for_if_so_wanted() -> None:
    requester = new_requester(key_frames_only=True)
    requester.on_packet(packet(0, 1, key=True), 0)
    requester.on_packet(packet(1, 3), 1 * MS)
    requester.on_packet(packet(4, 0), 2 * MS)
    assert requester.requests_to_send(10 * MS) == (Nack(0, 0b1101),)


def test_stream_that_jumps_starts_over() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 1), 0)
    requester.on_packet(packet(5000, 1), 1 * MS)
    assert requester.requests_to_send(10 * MS) == (Nack(5000, 0b01),)


any_packets = st.lists(
    st.tuples(
        st.integers(0, 30) | st.integers(0, 1000), st.integers(-1, 5), st.integers(0, 5), st.integers(0, 30 * MS)
    ),
    max_size=60,
)


@given(any_packets, st.booleans())
def test_any_packets_cause_bounded_requests_for_what_is_missing(
    packets: list[tuple[int, int, int, int]], key_frames_only: bool
) -> None:
    requester = new_requester(key_frames_only=key_frames_only)
    now_us = 0
    arrived: set[tuple[int, int]] = set()
    asked = 0
    for frame_id, index, total, wait_us in packets:
        now_us += wait_us
        requester.on_packet(packet(frame_id, index, total, key=frame_id % 3 == 0), now_us)
        if 0 <= index < total:
            arrived.add((frame_id, index))
        for request in requester.requests_to_send(now_us):
            asked += 1
            assert request.wanted == 0 or request.wanted.bit_length() <= 5
            assert not key_frames_only or request.frame_id % 3 == 0
        timer = requester.get_timer()
        assert timer is None or timer > now_us
        if index == 0:
            requester.on_frame_done(frame_id - 5)
    while (timer := requester.get_timer()) is not None:
        asked += len(requester.requests_to_send(timer))
    assert asked <= 10 * 1000


# -- key frames


def test_key_frame_is_asked_for_at_once_and_every_round_trip() -> None:
    requests = KeyFrameRequester()
    assert requests.get_timer() is None
    requests.set_rtt(150 * MS)
    requests.ask(7, 1 * MS)
    assert requests.get_timer() == 1 * MS
    assert requests.request_to_send(1 * MS) == Pli(7)
    requests.ask(8, 50 * MS)
    assert requests.request_to_send(150 * MS) is None
    assert requests.request_to_send(151 * MS) == Pli(8)
    requests.satisfied(9)
    assert requests.get_timer() is None
    assert not requests.waiting


def test_frame_from_before_the_request_does_not_answer_it() -> None:
    requests = KeyFrameRequester()
    requests.ask(8, 0)
    assert requests.request_to_send(0) == Pli(8)
    requests.satisfied(7)  # it was still being decoded
    assert requests.request_to_send(100 * MS) == Pli(8)
    requests.reset()
    assert requests.get_timer() is None


# -- the sender's store


def store(buffer: RetransmissionBuffer[str], frame_id: int, total: int, now_us: int, size_bytes: int = 100) -> None:
    for index in range(total):
        buffer.add(frame_id, index, f"{frame_id}.{index}", size_bytes, now_us)


def test_wanted_payloads_are_handed_out() -> None:
    buffer = RetransmissionBuffer[str]()
    store(buffer, 3, 4, 0)
    assert buffer.wanted(Nack(3, 0b1010), 1) == ["3.1", "3.3"]
    assert buffer.wanted(Nack(4, 0b1010), 1) == []
    assert buffer.wanted(Nack(3, 0b1 << 4000), 1) == []


def test_whole_frame_is_handed_out() -> None:
    buffer = RetransmissionBuffer[str]()
    store(buffer, 3, 3, 0)
    assert buffer.wanted(Nack(3, 0), 1) == ["3.0", "3.1", "3.2"]


def test_nothing_is_handed_out_twice_within_half_a_round_trip() -> None:
    """A peer that asks all the time cannot multiply the traffic."""
    buffer = RetransmissionBuffer[str]()
    buffer.set_rtt(100 * MS)
    store(buffer, 3, 1, 0)
    answers = [len(buffer.wanted(Nack(3, 1), now_us * MS)) for now_us in (0, 10, 49, 50, 60, 100)]
    assert answers == [1, 0, 0, 1, 0, 1]


def test_old_frames_go_first() -> None:
    buffer = RetransmissionBuffer[str](max_bytes=500, max_age_us=1000 * MS)
    store(buffer, 1, 3, 0)
    store(buffer, 2, 3, 10 * MS)
    assert buffer.size_bytes == 300
    assert buffer.wanted(Nack(1, 0), 20 * MS) == []
    assert len(buffer.wanted(Nack(2, 0), 20 * MS)) == 3
    assert buffer.wanted(Nack(2, 0), 1011 * MS) == []
    assert buffer.size_bytes == 0


def test_round_trip_is_learned_from_the_answer_to_a_single_request() -> None:
    requester = new_requester()
    requester.on_packet(packet(0, 0), 0)
    requester.on_packet(packet(0, 3), 0)
    assert requester.requests_to_send(5 * MS) == (Nack(0, 0b0110),)
    requester.on_packet(replace(packet(0, 1), retransmitted=True), 125 * MS)
    assert requester.rtt_us == 120 * MS
    assert requester.get_timer() == 55 * MS  # the request that went out before is repeated at the old pace
    requester.requests_to_send(130 * MS)
    requester.on_packet(replace(packet(0, 2), retransmitted=True), 135 * MS)  # to which of two requests?
    assert requester.rtt_us == 120 * MS


def test_the_newest_frame_is_handed_out_once_per_half_round_trip() -> None:
    buffer: RetransmissionBuffer[str] = RetransmissionBuffer()
    assert buffer.newest(0) is None
    buffer.add(1, 0, "old", 100, 0)
    buffer.add(2, 0, "first", 100, 0)
    buffer.add(2, 1, "second", 100, 0)
    assert [buffer.newest(0) for _ in range(3)] == ["first", "second", None]
    assert buffer.newest(100_000) == "first"
