"""What was sent, and what reports say of it."""

from __future__ import annotations

from grace_transport.congestion.history import MAX_PACKETS, Arrived, PacketResult, SentHistory, arrived_in_order
from grace_transport.types import Feedback, PacketSent

S = 1_000_000


def _history(*seqs: int) -> SentHistory:
    history = SentHistory()
    for seq in seqs:
        history.on_packet_sent(PacketSent(seq, seq * 1_000, 100))
    return history


def _result(seq: int, arrived_us: int | None, was_lost: bool = False) -> PacketResult:
    return PacketResult(seq, seq * 1_000, 100, None, arrived_us, was_lost)


def test_report_becomes_results() -> None:
    history = _history(1, 2, 3)
    assert history.on_feedback(Feedback(((1, 50), (2, None), (3, 70)))) == [
        _result(1, 50),
        _result(2, None),
        _result(3, 70),
    ]


def test_unknown_and_repeated_packets_are_ignored() -> None:
    history = _history(1)
    assert history.on_feedback(Feedback(((-5, 1), (0, 40), (1, 50), (1, 60), (2, 70)))) == [_result(1, 50)]
    assert history.on_feedback(Feedback(((1, 50),))) == []


def test_loss_is_reported_once_and_taken_back_when_the_packet_was_only_late() -> None:
    history = _history(1, 2)
    assert history.on_feedback(Feedback(((1, None), (2, 70)))) == [_result(1, None), _result(2, 70)]
    assert history.on_feedback(Feedback(((1, None),))) == []
    assert history.on_feedback(Feedback(((1, 90),))) == [_result(1, 90, was_lost=True)]
    assert history.on_feedback(Feedback(((1, 90),))) == []


def test_packets_of_a_lost_report_are_neither_lost_nor_in_flight() -> None:
    history = _history(1, 2, 3, 4)
    assert history.in_flight_bytes == 400
    assert history.on_feedback(Feedback(((3, 70),))) == [_result(3, 70)]
    assert (history.in_flight_bytes, history.in_flight_packets) == (100, 1)


def test_absurd_arrival_time_counts_as_lost() -> None:
    assert _history(1).on_feedback(Feedback(((1, 1 << 61),))) == [_result(1, None)]
    assert _history(1).on_feedback(Feedback(((1, -(1 << 61)),))) == [_result(1, None)]


def test_packets_older_than_a_minute_are_forgotten() -> None:
    history = SentHistory()
    history.on_packet_sent(PacketSent(1, 0, 100))
    history.on_packet_sent(PacketSent(2, 60 * S + 1, 100))
    assert history.on_feedback(Feedback(((1, 50),))) == []
    assert history.in_flight_packets == 1


def test_memory_is_bounded_without_feedback() -> None:
    history = SentHistory()
    for seq in range(MAX_PACKETS + 100):
        history.on_packet_sent(PacketSent(seq, seq, 100))
    assert history.in_flight_packets == MAX_PACKETS
    assert len(history._packets) == MAX_PACKETS
    assert history.on_feedback(Feedback(((99, 50),))) == []
    assert history.on_feedback(Feedback(((100, 50),))) != []


def test_arrivals_are_put_in_order_of_arrival() -> None:
    results = [_result(1, 90), _result(2, None), _result(3, 70)]
    assert arrived_in_order(results) == [Arrived(3_000, 70, 100), Arrived(1_000, 90, 100)]
