"""The congestion window's pushback."""

from __future__ import annotations

from grace_transport.congestion.gcc.window import CongestionWindow

MS = 1_000


def _window() -> CongestionWindow:
    """1 Mbps, 200 ms response, 300 ms of queue accepted: 62,500 bytes."""
    window = CongestionWindow(300 * MS, 30_000)
    window.on_feedback(1_000_000, 200 * MS)
    return window


def test_unknown_window_limits_nothing() -> None:
    assert CongestionWindow(300 * MS, 30_000).limit(1_000_000, 10**9) == 1_000_000


def test_rate_is_untouched_within_the_window() -> None:
    assert _window().limit(1_000_000, 62_000) == 1_000_000


def test_over_full_window_lowers_the_rate_step_by_step_down_to_the_minimum() -> None:
    window = _window()
    assert window.limit(1_000_000, 70_000) == 950_000
    assert window.limit(1_000_000, 100_000) == 855_000
    for _ in range(100):
        window.limit(1_000_000, 100_000)
    assert window.limit(1_000_000, 100_000) == 30_000
    assert window.limit(20_000, 100_000) == 20_000


def test_nearly_empty_window_lets_go_at_once() -> None:
    window = _window()
    for _ in range(20):
        window.limit(1_000_000, 100_000)
    assert 0 < window.limit(1_000_000, 50_000) < 500_000
    assert window.limit(1_000_000, 5_000) == 1_000_000


def test_window_follows_rate_and_response_halfway() -> None:
    window = _window()
    window.on_feedback(3_000_000, 200 * MS)  # wants 187,500: goes to 125,000
    assert window.limit(1_000_000, 120_000) == 1_000_000
    assert window.limit(1_000_000, 130_000) == 950_000
