"""Waits beyond the shortest one."""

from __future__ import annotations

from grace_transport.congestion.gcc.queue_delay import QueueDelay
from grace_transport.congestion.history import PacketResult

MS = 1_000
S = 1_000_000


def _report(delay: QueueDelay, sent_us: int, *waits_ms: int | None) -> None:
    delay.on_results(
        [
            PacketResult(i, sent_us, 100, None, None if wait is None else sent_us + 10**9 + wait * MS, False)
            for i, wait in enumerate(waits_ms)
        ]
    )


def test_nothing_is_known_at_first() -> None:
    delay = QueueDelay()
    assert (delay.known, delay.shortest_us, delay.peak_us) == (False, 0, 0)


def test_waits_are_counted_from_the_shortest() -> None:
    delay = QueueDelay()
    _report(delay, 0, 40, None, 90)
    assert (delay.shortest_us, delay.peak_us) == (0, 50 * MS)
    _report(delay, S, 70, 60)
    assert (delay.shortest_us, delay.peak_us) == (20 * MS, 50 * MS)


def test_longer_path_becomes_the_base_after_a_minute() -> None:
    delay = QueueDelay()
    _report(delay, 0, 40)
    for second in range(1, 70):
        _report(delay, second * S, 140)
    assert delay.shortest_us == 0


def test_report_of_losses_alone_changes_nothing() -> None:
    delay = QueueDelay()
    _report(delay, 0, 40)
    _report(delay, S, 55)
    _report(delay, 2 * S, None, None)
    assert delay.shortest_us == 15 * MS
