"""Losses to a full queue, and others."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc.loss_cause import LossCause
from grace_transport.congestion.gcc.queue_delay import QueueDelay
from grace_transport.congestion.history import PacketResult

MS = 1_000


class _Reports:
    def __init__(self) -> None:
        self.delay = QueueDelay()
        self.cause = LossCause(self.delay)
        self._seq = 0

    def take(self, *waits_ms: int | None) -> set[int]:
        """Positions in this report that are forgiven; None is a lost packet."""
        first = self._seq
        results = []
        for wait in waits_ms:
            arrived_us = None if wait is None else self._seq * MS + wait * MS
            results.append(PacketResult(self._seq, self._seq * MS, 1_000, None, arrived_us, False))
            self._seq += 1
        self.delay.on_results(results)
        return {seq - first for seq in self.cause.forgiven(results)}


def test_loss_among_packets_that_are_on_time_is_forgiven() -> None:
    assert _Reports().take(20, None, 22, 20, None, None, 25) == {1, 4, 5}


def test_loss_next_to_a_late_packet_is_congestion() -> None:
    reports = _Reports()
    reports.take(20, 20, 120)
    assert reports.take(110, None, 115, 118, None) == set()
    assert reports.take(20, None, 120, 20, None, 20) == {4}


def test_fifty_ms_of_queue_are_congestion_whatever_the_peak_was() -> None:
    reports = _Reports()
    reports.take(20, 2_020, 20)
    assert reports.take(75, None, 75) == set()
    assert reports.take(60, None, 60) == {1}


def test_few_ms_are_jitter_whatever_the_peak_was() -> None:
    assert _Reports().take(20, 26, None, 26, 20) == {2}


def test_nothing_is_forgiven_before_anything_has_arrived() -> None:
    assert _Reports().take(None, None) == set()


def test_losses_at_the_end_of_a_report_are_judged_by_what_came_before() -> None:
    reports = _Reports()
    assert reports.take(20, 20, None) == {2}
    reports.take(20, 120)
    assert reports.take(None, None) == set()


def test_random_loss_ratio_follows_the_forgiven_bytes() -> None:
    reports = _Reports()
    for _ in range(100):
        reports.take(20, None, 20, 20)
    assert reports.cause.random_loss == pytest.approx(0.25, abs=0.02)
