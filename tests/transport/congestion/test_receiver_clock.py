"""Steps of the receiver's clock are told from queues by the round trip."""

from __future__ import annotations

import pytest

from grace_transport.congestion.history import PacketResult
from grace_transport.congestion.receiver_clock import ReceiverClock

MS, S = 1_000, 1_000_000
CLOCK_US = 7 * S  # the receiver's clock less ours


def _report(first: int, waits_us: list[int], step_us: int, clock: ReceiverClock) -> list[int]:
    """Packets 10 ms apart with 50 ms each way, one report after the last: one-way delays as corrected."""
    results = [
        PacketResult(n, n * 10 * MS, 1_200, None, n * 10 * MS + 50 * MS + wait_us + CLOCK_US + step_us, False)
        for n, wait_us in enumerate(waits_us, first)
    ]
    last = results[-1]
    now_us = last.sent_us + 100 * MS + waits_us[-1]
    corrected = clock.corrected(results, now_us)
    return [r.arrived_us - r.sent_us - CLOCK_US for r in corrected if r.arrived_us is not None]


@pytest.mark.parametrize("step_us", [10 * S, 2 * S, 200 * MS, -200 * MS, -1 * S, -(1 << 23) * 64 * MS])
def test_delays_go_on_where_the_clock_stepped(step_us: int) -> None:
    clock = ReceiverClock()
    _report(0, [0] * 10, 0, clock)
    assert _report(10, [0] * 10, step_us, clock) == [50 * MS] * 10
    assert clock.offset_us == -step_us


def test_a_queue_is_no_step() -> None:
    clock = ReceiverClock()
    _report(0, [0] * 10, 0, clock)
    waits_us = [n * 50 * MS for n in range(10)]
    assert _report(10, waits_us, 0, clock) == [50 * MS + wait_us for wait_us in waits_us]
    assert clock.offset_us == 0


def test_lost_packets_pass() -> None:
    lost = PacketResult(1, 0, 1_200, None, None, False)
    assert ReceiverClock().corrected([lost], 100 * MS) == [lost]
