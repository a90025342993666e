"""When arrivals are reported, and what is remembered (libwebrtc `remote_estimator_proxy_unittest.cc`)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_transport.wire.recorder import TwccRecorder
from grace_transport.wire.rtcp import split_compound
from grace_transport.wire.twcc import TwccReader, parse_twcc

MS, S = 1_000, 1_000_000


def read(data: bytes | None, newest: int) -> tuple[tuple[int, int | None], ...]:
    assert data is not None
    return TwccReader().read(parse_twcc(split_compound(data)[0]), newest).arrivals


def test_nothing_arrived_nothing_to_report() -> None:
    recorder = TwccRecorder(1, 2)
    assert recorder.get_timer() is None
    assert recorder.build(5 * MS) is None


def test_reports_fall_on_a_grid_of_intervals() -> None:
    recorder = TwccRecorder(1, 2, 100 * MS)
    recorder.on_packet(1, 10 * MS)
    assert recorder.get_timer() == 110 * MS
    assert recorder.build(110 * MS) is not None
    assert recorder.get_timer() is None
    recorder.on_packet(2, 115 * MS)
    assert recorder.get_timer() == 210 * MS
    recorder.build(212 * MS)  # the timer was late, the grid stays
    recorder.on_packet(3, 460 * MS)
    assert recorder.get_timer() == 510 * MS


def test_losses_between_reports_are_reported_as_lost() -> None:
    recorder = TwccRecorder(1, 2)
    recorder.on_packet(10, 64 * MS)
    recorder.build(100 * MS)
    recorder.on_packet(13, 128 * MS)
    assert read(recorder.build(200 * MS), 13) == ((11, None), (12, None), (13, 128 * MS))


def test_first_arrival_of_a_duplicate_counts() -> None:
    recorder = TwccRecorder(1, 2)
    recorder.on_packet(1, 64 * MS)
    recorder.on_packet(1, 96 * MS)
    assert read(recorder.build(100 * MS), 1) == ((1, 64 * MS),)


def test_reordered_packet_reopens_what_was_reported() -> None:
    recorder = TwccRecorder(1, 2)
    recorder.on_packet(1, 64 * MS)
    recorder.on_packet(3, 65 * MS)
    assert read(recorder.build(100 * MS), 3) == ((1, 64 * MS), (2, None), (3, 65 * MS))
    recorder.on_packet(2, 128 * MS)
    assert read(recorder.build(200 * MS), 3) == ((2, 128 * MS), (3, 65 * MS))


def test_nothing_older_than_the_back_window_is_reported_again() -> None:
    recorder = TwccRecorder(1, 2)
    recorder.on_packet(1, 64 * MS)
    recorder.on_packet(3, 65 * MS)
    recorder.build(100 * MS)
    recorder.on_packet(4, 700 * MS)
    recorder.build(700 * MS)
    recorder.on_packet(2, 704 * MS)
    assert read(recorder.build(800 * MS), 4) == ((2, 704 * MS), (3, None), (4, 700 * MS))


def test_numbers_wrap() -> None:
    recorder = TwccRecorder(1, 2)
    for wire_seq in (65_534, 65_535, 0, 2):
        recorder.on_packet(wire_seq, 64 * MS)
    assert read(recorder.build(100 * MS), 65_538) == (
        (65_534, 64 * MS),
        (65_535, 64 * MS),
        (65_536, 64 * MS),
        (65_537, None),
        (65_538, 64 * MS),
    )


def test_arrivals_too_far_apart_take_two_reports() -> None:
    recorder = TwccRecorder(1, 2)
    recorder.on_packet(1, 0)
    recorder.on_packet(2, 10_000 * MS)
    assert recorder.build(10_000 * MS) is not None
    assert recorder.get_timer() == 10_000 * MS
    assert read(recorder.build(10_000 * MS), 2) == ((2, 10_000 * MS),)
    assert recorder.build(10_000 * MS) is None


def test_gap_larger_than_a_report_is_cut() -> None:
    """A stream that went back by half the number space and comes forward again, its history forgotten meanwhile."""
    recorder = TwccRecorder(1, 2)
    for wire_seq, arrived_us in ((32_769, 65_520), (2, 78_941), (0, 78_221)):
        recorder.on_packet(wire_seq, arrived_us)
    while recorder.build(78_221) is not None:
        pass
    recorder.on_packet(32_769, 78_418)
    while recorder.build(78_418) is not None:
        pass
    recorder.on_packet(0, 78_592)
    recorder.on_packet(32_769, 78_879)
    while (data := recorder.build(78_879)) is not None:
        assert len(parse_twcc(split_compound(data)[0]).symbols) <= 0xFFFF


def test_feedback_count_wraps() -> None:
    recorder = TwccRecorder(1, 2)
    counts = []
    for seq in range(258):
        recorder.on_packet(seq, seq * MS)
        data = recorder.build(seq * MS)
        assert data is not None
        counts.append(parse_twcc(split_compound(data)[0]).feedback_count)
    assert counts == [*range(256), 0, 1]


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(-100_000, 20_000_000)), max_size=60), st.data())
def test_any_arrivals_are_reported_in_bounded_memory(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    """Any sequence numbers at any times, clocks that run backwards included."""
    recorder = TwccRecorder(1, 2)
    now_us = 0
    for wire_seq, us in steps:
        now_us = max(0, now_us + us)
        recorder.on_packet(wire_seq, now_us)
        if data.draw(st.booleans()):
            for _ in range(200):
                if recorder.build(now_us) is None:
                    break
            else:
                raise AssertionError("reports do not end")
            assert recorder.get_timer() is None


def test_a_report_fits_a_packet_whatever_arrived() -> None:
    """A second of 12 Mbit/s at once, every other packet lost and arrivals far apart: the worst that reports hold."""
    recorder = TwccRecorder(1, 2)
    for n in range(1_250):
        recorder.on_packet(2 * n, 10_000 * n)
    seqs: list[int] = []
    while (data := recorder.build(13 * S)) is not None:
        assert len(data) <= 1_200
        seqs += [seq for seq, at_us in read(data, 2_500) if at_us is not None]
    assert seqs == [2 * n for n in range(1_250)]
