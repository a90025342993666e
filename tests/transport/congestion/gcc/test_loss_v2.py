"""Inherent loss against loss that the rate causes."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc.loss_v2 import LossState, LossV2
from grace_transport.congestion.history import PacketResult

MS = 1_000
PACKET_BYTES = 1_000


class _Sender:
    """Feeds reports of a quarter of a second: so many packets of 1,000 bytes, so many of them lost."""

    def __init__(self, delay_bps: int = 2_000_000, max_bps: int = 10_000_000) -> None:
        self.v2 = LossV2(10_000, max_bps)
        self.delay_bps = delay_bps
        self._seq = 0
        self._now_us = 0

    def report(self, packets: int, lost: int, acked_bps: float | None = None, forgiven: bool = False) -> None:
        results = []
        for i in range(packets):
            self._now_us += 251 * MS // packets
            is_lost = i * lost // packets != (i + 1) * lost // packets
            arrived_us = None if is_lost else self._now_us
            results.append(PacketResult(self._seq, self._now_us, PACKET_BYTES, None, arrived_us, False))
            self._seq += 1
        lost_seqs = frozenset(r.seq for r in results if r.arrived_us is None)
        acked_bps = (packets - lost) * PACKET_BYTES * 8 * 4 if acked_bps is None else acked_bps
        self.v2.on_results(results, self.delay_bps, acked_bps, False, lost_seqs if forgiven else frozenset())


def test_three_observations_are_needed() -> None:
    sender = _Sender()
    for _ in range(4):
        assert not sender.v2.ready
        sender.report(50, 0)
    assert sender.v2.ready


def test_without_loss_the_delay_based_rate_holds() -> None:
    sender = _Sender(2_000_000)
    for _ in range(10):
        sender.report(50, 0)
    assert sender.v2.state is LossState.DELAY_BASED
    assert sender.v2.estimate_bps == 2_000_000
    sender.delay_bps = 1_000_000
    sender.report(50, 0, acked_bps=900_000)
    assert sender.v2.estimate_bps == 1_000_000


def test_small_steady_loss_is_the_links_own() -> None:
    sender = _Sender(2_000_000)
    for _ in range(30):
        sender.report(60, 2)
    assert sender.v2.average_loss == pytest.approx(2 / 60)
    assert sender.v2.estimate_bps == 2_000_000


def test_heavy_loss_bounds_the_rate_by_100_kbps_over_the_excess() -> None:
    """20 % lost: no more than 100 kbps / .15, once less than that arrives too."""
    sender = _Sender(2_000_000)
    for _ in range(30):
        sender.report(50, 10, acked_bps=300_000)
    assert sender.v2.state is not LossState.DELAY_BASED
    assert sender.v2.estimate_bps <= 670_000


def test_rate_is_never_put_below_what_arrives() -> None:
    sender = _Sender(2_000_000)
    for _ in range(30):
        sender.report(50, 10, acked_bps=1_280_000)
    assert sender.v2.estimate_bps >= 1_280_000


def test_forgiven_losses_do_not_count() -> None:
    sender = _Sender(2_000_000)
    for _ in range(30):
        sender.report(50, 25, acked_bps=800_000, forgiven=True)
    assert sender.v2.average_loss == 0
    assert sender.v2.estimate_bps == 2_000_000


def test_after_loss_ends_the_rate_recovers_bounded_by_what_arrives() -> None:
    sender = _Sender(2_000_000)
    for _ in range(20):
        sender.report(50, 15, acked_bps=200_000)
    low_bps = sender.v2.estimate_bps
    for _ in range(60):
        sender.report(10, 0, acked_bps=sender.v2.estimate_bps)
    assert low_bps < 500_000
    assert sender.v2.estimate_bps > 1_500_000


def test_probe_that_got_through_ends_the_limit() -> None:
    sender = _Sender(2_000_000)
    for _ in range(20):
        sender.report(50, 15, acked_bps=200_000)
    sender.v2.on_probe(1_500_000)
    assert (sender.v2.estimate_bps, sender.v2.state) == (1_500_000, LossState.DELAY_BASED)


def test_late_packet_takes_its_loss_back_within_an_observation() -> None:
    v2 = LossV2(10_000, 10_000_000)
    lost = PacketResult(1, 1_000, 1_000, None, None, False)
    late = PacketResult(1, 1_000, 1_000, None, 900_000, True)
    more = [PacketResult(i, i * 100_000, 1_000, None, i * 100_000, False) for i in range(2, 6)]
    v2.on_results([lost], 1_000_000, None, False)
    v2.on_results([late, *more], 1_000_000, None, False)
    assert v2.average_loss == 0


def test_one_burst_of_loss_is_an_outlier() -> None:
    sender = _Sender(2_000_000)
    for index in range(10):
        sender.report(50, 25 if index == 5 else 0)
    assert sender.v2.average_loss == 0
