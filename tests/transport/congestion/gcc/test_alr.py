"""Application-limited regions."""

from __future__ import annotations

from grace_transport.congestion.gcc.alr import AlrDetector

MS = 1_000


def _send(alr: AlrDetector, rate_bps: int, start_ms: int, end_ms: int) -> None:
    for at_ms in range(start_ms, end_ms, 10):
        alr.on_sent(rate_bps // 800, at_ms * MS)


def test_no_alr_while_the_rate_is_used() -> None:
    alr = AlrDetector(1_000_000)
    _send(alr, 1_000_000, 0, 5_000)
    assert alr.started_us is None


def test_alr_starts_when_four_fifths_of_the_budget_stay_unused() -> None:
    alr = AlrDetector(1_000_000)
    _send(alr, 100_000, 0, 2_000)
    assert alr.started_us is not None
    assert alr.started_us < 1_000 * MS


def test_alr_ends_when_half_of_the_budget_is_used_up() -> None:
    alr = AlrDetector(1_000_000)
    _send(alr, 100_000, 0, 2_000)
    _send(alr, 1_000_000, 2_000, 4_000)
    assert alr.started_us is None


def test_seventy_percent_is_not_limited_and_sixty_is() -> None:
    busy, idle = AlrDetector(1_000_000), AlrDetector(1_000_000)
    _send(busy, 700_000, 0, 60_000)
    _send(idle, 600_000, 0, 60_000)
    assert busy.started_us is None
    assert idle.started_us is not None


def test_lower_estimate_ends_alr_with_the_next_packets() -> None:
    alr = AlrDetector(1_000_000)
    _send(alr, 100_000, 0, 2_000)
    alr.set_estimate(100_000)
    _send(alr, 100_000, 2_000, 5_000)
    assert alr.started_us is None
