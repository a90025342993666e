"""Round trips from feedback."""

from __future__ import annotations

from grace_transport.congestion.history import Arrived
from grace_transport.congestion.rtt import RoundTrip

MS = 1_000
CLOCK = 10**12  # the receiver's clock against ours


def _arrived(*sent_and_delay_ms: tuple[int, int]) -> list[Arrived]:
    return [Arrived(sent * MS, CLOCK + (sent + delay) * MS, 100) for sent, delay in sent_and_delay_ms]


def test_defaults_before_the_first_report() -> None:
    rtt = RoundTrip()
    assert (rtt.smoothed_us, rtt.response_us, rtt.path_us, rtt.corrected_us) == (200 * MS, 200 * MS, 0, 0)


def test_waiting_for_the_report_is_no_part_of_the_path() -> None:
    """Sent at 0 and 90, 40 ms there, reported at 132 (2 ms after the last arrival), 40 ms back."""
    rtt = RoundTrip()
    rtt.on_arrived(_arrived((0, 40), (90, 40)), 172 * MS)
    assert rtt.path_us == rtt.smoothed_us == 82 * MS
    assert rtt.response_us == 172 * MS


def test_smoothing_follows_slowly() -> None:
    rtt = RoundTrip()
    rtt.on_arrived(_arrived((0, 40)), 80 * MS)
    rtt.on_arrived(_arrived((100, 40)), 260 * MS)
    assert rtt.smoothed_us == 90 * MS
    assert rtt.shortest_us == 80 * MS


def test_corrected_round_trip_grows_while_we_send_and_hear_nothing() -> None:
    rtt = RoundTrip()
    rtt.on_packet_sent(0)
    rtt.on_arrived(_arrived((0, 40)), 80 * MS)
    assert rtt.corrected_us == 80 * MS
    rtt.on_packet_sent(4_080 * MS)
    assert rtt.corrected_us == 4_080 * MS


def test_clocks_that_run_backwards_give_no_negative_times() -> None:
    rtt = RoundTrip()
    rtt.on_arrived(_arrived((1_000, 40)), 500 * MS)
    assert (rtt.path_us, rtt.smoothed_us, rtt.response_us) == (0, 0, 0)
