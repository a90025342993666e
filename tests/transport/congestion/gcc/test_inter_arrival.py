"""Groups by send time, bursts joined, resets on clock jumps and reordering."""

from __future__ import annotations

import pytest
from tests.vectors import Case, cases

from grace_transport.congestion.gcc.inter_arrival import GroupDelta, InterArrival


@pytest.mark.parametrize("case", cases("gcc", "inter_arrival", "cases"))
def test_vectors(case: Case) -> None:
    inter_arrival = InterArrival()
    for sent_us, arrived_ms, seen_ms, size_bytes, expected in case["packets"]:
        delta = inter_arrival.on_packet(sent_us, arrived_ms * 1_000, seen_ms * 1_000, size_bytes)
        if expected is None:
            assert delta is None
        else:
            assert delta is not None
            # The sources count in ticks of 11 or 4 us: one tick of difference is theirs.
            assert delta.send_us == pytest.approx(expected[0], abs=12)
            assert (delta.arrival_us, delta.size_bytes) == (expected[1] * 1_000, expected[2])


def _feed(inter_arrival: InterArrival, *packets: tuple[int, int]) -> list[GroupDelta | None]:
    return [inter_arrival.on_packet(sent, arrived, arrived, 100) for sent, arrived in packets]


def test_delta_needs_two_complete_groups() -> None:
    assert _feed(InterArrival(), (0, 0), (10_000, 10_000), (20_000, 25_000)) == [
        None,
        None,
        GroupDelta(10_000, 10_000, 0),
    ]


def test_packets_sent_within_five_ms_are_one_group() -> None:
    deltas = _feed(InterArrival(), (0, 0), (5_000, 9_000), (20_000, 20_000), (40_000, 40_000))
    assert deltas == [None, None, None, GroupDelta(15_000, 11_000, -100)]


def test_arrivals_that_bunch_up_join_the_group() -> None:
    """Sent 30 ms apart, arriving 1 ms apart: something held them up together."""
    deltas = _feed(InterArrival(), (0, 0), (30_000, 90_000), (60_000, 91_000), (90_000, 92_000), (120_000, 140_000))
    assert deltas == [None, None, None, None, GroupDelta(90_000, 92_000, 200)]


def test_packet_sent_before_its_group_is_skipped() -> None:
    deltas = _feed(InterArrival(), (10_000, 10_000), (30_000, 30_000), (20_000, 31_000), (50_000, 50_000))
    assert deltas == [None, None, None, GroupDelta(20_000, 20_000, 0)]


def test_jump_of_the_receivers_clock_resets() -> None:
    inter_arrival = InterArrival()
    _feed(inter_arrival, (0, 0), (10_000, 10_000))
    assert inter_arrival.on_packet(20_000, 5_020_000, 20_000, 100) == GroupDelta(10_000, 10_000, 0)
    assert inter_arrival.on_packet(30_000, 5_030_000, 30_000, 100) is None  # 5 s in 10 ms
    restarted = [inter_arrival.on_packet(t, 5_000_000 + t, t, 100) for t in (40_000, 50_000, 60_000)]
    assert restarted == [None, None, GroupDelta(10_000, 10_000, 0)]
