"""Packets to frames: what is handed over when, in both modes, and what is dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.assembler import AssembledFrame, FrameAssembler, FrameGivenUp, StreamReset
from grace_transport.lineage import all_of, lineage
from grace_transport.types import MediaPacket

MS = 1_000
DEADLINE = 100 * MS


def packet(frame_id: int, index: int = 0, total: int = 2, *, parent: int = 7, key: bool = False) -> MediaPacket:
    return MediaPacket(frame_id, index, total, 0 if key else parent, 1, key, frame_id * 33 * MS, b"%d" % index)


def drain(assembler: FrameAssembler) -> list[AssembledFrame]:
    frames = []
    while (frame := assembler.next_frame()) is not None:
        frames.append(frame)
    return frames


def summary(assembler: FrameAssembler) -> list[tuple[int, int, int]]:
    """(frame id, received bitmap, total) of the frames handed over."""
    return [(frame.frame_id, frame.received, frame.total) for frame in drain(assembler)]


def partial(**options: int) -> FrameAssembler:
    return FrameAssembler(DEADLINE, **options)  # type: ignore[arg-type]


def ordered() -> FrameAssembler:
    """Ordered mode, a key frame (0) behind it."""
    assembler = FrameAssembler(DEADLINE, ordered=True)
    assembler.on_packet(packet(0, total=1, key=True), 0)
    assert summary(assembler) == [(0, 1, 1)]
    return assembler


# -- partial mode


def test_complete_frame_is_handed_over_at_once() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 1), 10)
    assert drain(assembler) == []
    assembler.on_packet(packet(5, 0), 20)
    (frame,) = drain(assembler)
    assert frame == AssembledFrame(5, False, 2, 7, 1, 165 * MS, {0: b"0", 1: b"1"}, 10, 20)
    assert frame.complete
    assert assembler.get_timer() is None


def test_incomplete_frame_is_handed_over_when_a_later_one_starts() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 1), 0)
    assembler.on_packet(packet(6, 0), 33 * MS)
    assert summary(assembler) == [(5, 0b10, 2)]


def test_packet_overtaken_by_one_of_the_next_frame_counts_as_lost() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 1), 0)
    assembler.on_packet(packet(6, 0), 33 * MS)
    assembler.on_packet(packet(5, 0), 34 * MS)
    assert summary(assembler) == [(5, 0b10, 2)]
    assert assembler.dropped == {"late": 1}


def test_packets_of_a_frame_that_change_places_cost_nothing() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 1), 0)
    assembler.on_packet(packet(5, 0), 1 * MS)
    assert summary(assembler) == [(5, 0b11, 2)]
    assert assembler.dropped == {}


def test_incomplete_frame_is_handed_over_at_its_deadline() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 1), 10)
    assert assembler.get_timer() == 10 + DEADLINE
    assembler.handle_timer(9 + DEADLINE)
    assert drain(assembler) == []
    assembler.handle_timer(10 + DEADLINE)
    assert summary(assembler) == [(5, 0b10, 2)]


def test_frames_of_which_nothing_came_are_handed_over_empty() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, total=1), 0)
    assembler.on_packet(packet(8, total=1), 99)
    assert summary(assembler) == [(5, 1, 1), (6, 0, 0), (7, 0, 0), (8, 1, 1)]
    assert assembler.dropped == {}


def test_numbers_that_were_passed_over_are_no_lost_frames() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 0), 0)
    assembler.on_packet(packet(8, total=1, parent=lineage(7, 5, 2, 0b11)), 99)  # coded against all of frame 5
    assert summary(assembler) == [(5, 0b01, 2), (8, 1, 1)]


def test_reordering_allowance_holds_a_frame_back() -> None:
    assembler = partial(reorder_us=5 * MS)
    assembler.on_packet(packet(5, 0), 0)
    assembler.on_packet(packet(7, total=1), 33 * MS)
    assert assembler.get_timer() == 38 * MS
    assembler.on_packet(packet(6, total=1), 34 * MS)
    assembler.on_packet(packet(5, 1), 37 * MS)
    assert summary(assembler) == [(5, 0b11, 2), (6, 1, 1), (7, 1, 1)]


def test_key_frame_waits_for_retransmissions() -> None:
    assembler = partial(key_deadline_us=400 * MS)
    assembler.on_packet(packet(0, 0, key=True), 0)
    assembler.on_packet(packet(1, total=1), 33 * MS)
    assembler.handle_timer(300 * MS)
    assert drain(assembler) == []
    assembler.on_packet(packet(0, 1, key=True), 350 * MS)
    assert summary(assembler) == [(0, 0b11, 2), (1, 1, 1)]


def test_key_frame_is_not_waited_for_for_ever() -> None:
    assembler = partial(key_deadline_us=400 * MS)
    assembler.on_packet(packet(0, 0, key=True), 0)
    assembler.on_packet(packet(1, total=1), 33 * MS)
    assert assembler.get_timer() == 400 * MS
    assembler.handle_timer(400 * MS)
    assert summary(assembler) == [(0, 0b01, 2), (1, 1, 1)]


def test_first_packets_may_come_in_any_order() -> None:
    assembler = partial()
    assembler.on_packet(packet(6, 1), 0)
    assembler.on_packet(packet(5, total=1), 1)
    assembler.on_packet(packet(6, 0), 2)
    assert summary(assembler) == [(5, 1, 1), (6, 0b11, 2)]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (packet(5, 0), "duplicate"),
        (packet(4, 0), "late"),
        (packet(5, 1, total=3), "contradictory"),
        (packet(5, 1, parent=8), "contradictory"),
        (packet(5, 1, key=True), "contradictory"),
        (packet(5, 2, total=2), "contradictory"),
        (packet(5, -1, total=2), "contradictory"),
        (packet(5 + 301, 0), "jump"),
        (packet(5 - 301, 0), "late"),
    ],
)
def test_useless_packets_are_counted_and_change_nothing(second: MediaPacket, reason: str) -> None:
    assembler = partial()
    assembler.on_packet(packet(4, total=1), 0)
    assembler.on_packet(packet(5, 0), 0)
    assert summary(assembler) == [(4, 1, 1)]
    assembler.on_packet(second, 1)
    assert assembler.dropped == {reason: 1}
    assembler.on_packet(packet(5, 1), 2)
    assert summary(assembler) == [(5, 0b11, 2)]


def test_a_frame_is_not_handed_over_twice() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, total=1), 0)
    assembler.on_packet(packet(5, total=1), 1)
    assert summary(assembler) == [(5, 1, 1)]
    assert assembler.dropped == {"late": 1}


# -- jumps


def test_stream_that_jumped_is_followed_from_its_second_packet_on() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 0), 0)
    assembler.on_packet(packet(1000, 0), 10)
    assembler.on_packet(packet(1000, 1), 20)
    assert assembler.next_event() == StreamReset(20, 1000)
    assert summary(assembler) == [(1000, 0b11, 2)]


def test_stray_packet_does_not_reset_the_stream() -> None:
    assembler = partial()
    assembler.on_packet(packet(5, 0), 0)
    for _ in range(3):
        assembler.on_packet(packet(5000, 0), 10)
    assembler.on_packet(packet(5, 1), 20)
    assert assembler.next_event() is None
    assert summary(assembler) == [(5, 0b11, 2)]


def test_stream_starts_anew_with_a_key_frame() -> None:
    assembler = partial()
    assembler.on_packet(packet(1000, 0), 0)
    assembler.on_packet(packet(3, 0), 10)  # an old packet is no new stream
    assembler.on_packet(packet(4, 0), 10)
    assert assembler.next_event() is None
    assembler.on_packet(packet(0, total=1, key=True), 20)
    assembler.on_packet(packet(1, 0), 30)
    assert assembler.next_event() == StreamReset(30, 0)
    assert summary(assembler) == [(0, 1, 1)]


# -- ordered mode


def test_incomplete_frame_blocks_those_behind_it() -> None:
    assembler = ordered()
    assembler.on_packet(packet(1, 0), 0)
    assembler.on_packet(packet(2, total=1), 33 * MS)
    assert drain(assembler) == []
    assembler.on_packet(packet(1, 1), 90 * MS)
    assert summary(assembler) == [(1, 0b11, 2), (2, 1, 1)]


def test_missing_frame_blocks_those_behind_it() -> None:
    assembler = ordered()
    assembler.on_packet(packet(2, total=1), 33 * MS)
    assert assembler.get_timer() == 33 * MS + DEADLINE
    assembler.on_packet(packet(1, total=1), 90 * MS)
    assert summary(assembler) == [(1, 1, 1), (2, 1, 1)]


def test_passed_over_number_blocks_nothing() -> None:
    assembler = ordered()
    assembler.on_packet(packet(3, total=1, parent=lineage(0, 0, 1, 1)), 33 * MS)
    assert summary(assembler) == [(3, 1, 1)]


def test_given_up_frame_drops_everything_up_to_a_key_frame() -> None:
    assembler = ordered()
    assembler.on_packet(packet(1, 0), 0)
    assembler.on_packet(packet(2, total=1), 33 * MS)
    assembler.handle_timer(DEADLINE)
    assert assembler.next_event() == FrameGivenUp(DEADLINE, 1)
    assembler.on_packet(packet(3, total=1), 110 * MS)
    assert drain(assembler) == []
    assembler.on_packet(packet(5, 0, key=True), 120 * MS)
    assembler.on_packet(packet(6, total=1), 130 * MS)
    assert drain(assembler) == []
    assembler.on_packet(packet(5, 1, key=True), 140 * MS)
    assert summary(assembler) == [(5, 0b11, 2), (6, 1, 1)]
    assert assembler.next_event() is None
    assert assembler.dropped == {"undecodable": 3}


def test_key_frame_that_stays_incomplete_is_given_up_as_well() -> None:
    assembler = ordered()
    assembler.on_packet(packet(1, 0), 0)
    assembler.handle_timer(DEADLINE)
    assembler.on_packet(packet(2, 0, key=True), DEADLINE)
    assembler.handle_timer(2 * DEADLINE)
    assert assembler.next_event() == FrameGivenUp(DEADLINE, 1)
    assert assembler.next_event() == FrameGivenUp(2 * DEADLINE, 2)


def test_stream_that_is_joined_without_a_key_frame_is_given_up_at_once() -> None:
    assembler = FrameAssembler(DEADLINE, ordered=True)
    assembler.on_packet(packet(9, total=1), 0)
    assert drain(assembler) == []
    assert assembler.next_event() == FrameGivenUp(0, 9)


def test_key_frame_after_a_gap_is_not_kept_waiting() -> None:
    assembler = ordered()
    assembler.on_packet(packet(4, total=1, key=True), 33 * MS)
    assert summary(assembler) == [(4, 1, 1)]
    assert assembler.next_event() is None


# -- bounds


def test_frames_under_way_are_bounded() -> None:
    assembler = partial(max_frames=4, key_deadline_us=10**9)
    for frame_id in range(6):
        assembler.on_packet(packet(frame_id, key=frame_id == 0), frame_id)
    assert [frame.frame_id for frame in drain(assembler)] == [0, 1, 2, 3, 4]
    assert assembler.dropped["overflow"] == 1


def test_bytes_under_way_are_bounded() -> None:
    assembler = FrameAssembler(DEADLINE, max_bytes=1000)
    for index in range(20):
        assembler.on_packet(MediaPacket(0, index, 4095, 7, 1, False, 0, bytes(300)), 0)
    assert assembler.dropped["overflow"] == 1
    assert max(len(frame.payloads) for frame in drain(assembler)) == 4


any_packets = st.lists(
    st.tuples(
        st.builds(
            MediaPacket,
            st.integers(0, 12) | st.integers(0, 2000),
            st.integers(0, 3),
            st.integers(0, 4),
            st.sampled_from([0, 7, *(lineage(7, frame_id, 2, 3) for frame_id in range(8))]),
            st.just(1),
            st.booleans(),
            st.just(0),
            st.binary(min_size=1, max_size=3),
        ),
        st.integers(0, 60 * MS),
    ),
    max_size=80,
)


@given(any_packets, st.booleans(), st.sampled_from([0, 5 * MS]))
def test_any_packets_give_ordered_frames_once(
    packets: list[tuple[MediaPacket, int]], in_order: bool, reorder_us: int
) -> None:
    assembler = FrameAssembler(DEADLINE, in_order, reorder_us=reorder_us, max_frames=8)
    now_us = 0
    last = -1
    for one, wait_us in packets:
        now_us += wait_us
        assembler.on_packet(one, now_us)
        timer = assembler.get_timer()
        assert timer is None or timer > now_us
        while (event := assembler.next_event()) is not None:
            if isinstance(event, StreamReset):
                drain(assembler)
                last = -1
        for frame in drain(assembler):
            assert frame.frame_id > last
            assert frame.complete or not in_order
            assert all(0 <= index < frame.total for index in frame.payloads)
            last = frame.frame_id
    assembler.handle_timer(now_us + 10**9)
    assert assembler.get_timer() is None


@given(st.permutations(list(range(1, 12))), st.booleans())
def test_reordering_within_the_allowance_loses_nothing(order: list[int], in_order: bool) -> None:
    """The very first packet aside: a stream is joined where it is first heard."""
    assembler = FrameAssembler(DEADLINE, in_order, reorder_us=50 * MS)
    for now_us, place in enumerate([0, *order]):
        assembler.on_packet(packet(place // 3, place % 3, total=3, key=place < 3), now_us)
    assembler.handle_timer(60 * MS)
    assert summary(assembler) == [(frame_id, all_of(3), 3) for frame_id in range(4)]
