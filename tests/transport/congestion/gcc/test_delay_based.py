"""The whole delay-based estimator, one packet per report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.vectors import Case, cases

from grace_transport.congestion.gcc.acked_bitrate import AckedBitrate
from grace_transport.congestion.gcc.delay_based import DelayBased
from grace_transport.congestion.gcc.overuse import Usage
from grace_transport.congestion.gcc.probe_estimator import ProbeEstimator
from grace_transport.congestion.history import Arrived
from grace_transport.types import ProbeCluster

MS = 1_000


class _Estimator:
    """The delay-based estimator with the parts that feed it."""

    def __init__(self) -> None:
        self.acked, self.probes, self.delay = AckedBitrate(), ProbeEstimator(), DelayBased()
        self.rate_bps: int | None = None

    def on_packet(self, now_us: int, packet: Arrived, probe: ProbeCluster | None) -> None:
        if probe is not None:
            self.probes.on_packet(probe, packet)
        self.acked.on_arrived([packet])
        estimate = self.delay.on_arrived([packet], self.acked.rate_bps, self.probes.fetch(), now_us)
        if estimate.rate_bps is not None:
            self.rate_bps = estimate.rate_bps


def _packets(segments: list[Case]) -> Iterator[tuple[int, Arrived, ProbeCluster | None]]:
    for segment in segments:
        probe: Any = segment["probe"]
        cluster = ProbeCluster(probe[0], probe[2] * 8, probe[1], 1_000_000) if probe else None
        for i in range(segment["count"]):
            now_ms, arrived_ms, sent_ms = (
                first + i * step for first, step in zip(segment["first_ms"], segment["step_ms"], strict=True)
            )
            yield now_ms * MS, Arrived(sent_ms * MS, arrived_ms * MS, segment["packet_bytes"]), cluster


@pytest.mark.parametrize("case", cases("gcc", "delay_based_bwe", "cases"))
def test_vectors(case: Case) -> None:
    estimator = _Estimator()
    expected = {e["after_packet"]: e for e in case["expected"]}
    for number, (now_us, packet, probe) in enumerate(_packets(case["segments"]), start=1):
        estimator.on_packet(now_us, packet, probe)
        if number in expected:
            _check(estimator.rate_bps, expected[number])


def _check(rate_bps: int | None, expected: Case) -> None:
    if "updated" in expected:
        assert (rate_bps is not None) == expected["updated"]
    if "estimate_bps" in expected:
        assert rate_bps == pytest.approx(expected["estimate_bps"], abs=expected["tolerance_bps"])
    if rate_bps is not None:
        assert expected.get("estimate_min_bps", 0) <= rate_bps <= expected.get("estimate_max_bps", 1e12)


def _flow(delay: DelayBased, start_ms: int, count: int, stretch_ms: float, acked_bps: float) -> int | None:
    """Packets every 20 ms whose delay grows by `stretch_ms` each."""
    rate_bps = None
    for i in range(count):
        sent_us = (start_ms + 20 * i) * MS
        packet = Arrived(sent_us, sent_us + int(stretch_ms * i * MS), 1_200)
        estimate = delay.on_arrived([packet], acked_bps, None, sent_us + 100 * MS)
        rate_bps = rate_bps if estimate.rate_bps is None else estimate.rate_bps
    return rate_bps


def test_growing_queue_lowers_the_rate_below_what_arrives() -> None:
    delay = DelayBased(1_000_000)
    rate_bps = _flow(delay, 0, 60, 4.0, 400_000)
    assert delay.usage is Usage.OVERUSE
    assert rate_bps is not None
    assert rate_bps <= 0.85 * 400_000


def test_steady_delay_raises_the_rate() -> None:
    delay = DelayBased(500_000)
    assert (_flow(delay, 0, 200, 0.0, 500_000) or 0) > 600_000
    assert delay.usage is Usage.NORMAL


def test_overuse_before_any_throughput_is_known_halves_the_rate() -> None:
    delay = DelayBased(1_000_000)
    for i in range(40):
        packet = Arrived(20 * i * MS, 24 * i * MS, 1_200)
        delay.on_arrived([packet], None, None, 24 * i * MS)
    assert delay.aimd.rate_bps is not None
    assert delay.aimd.rate_bps <= 0.6 * 1_000_000


def test_silence_of_two_seconds_forgets_the_trend() -> None:
    delay = DelayBased(1_000_000)
    _flow(delay, 0, 60, 4.0, 400_000)
    delay.on_arrived([Arrived(5_000 * MS, 5_000 * MS, 1_200)], 400_000, None, 5_100 * MS)
    assert delay.usage is Usage.NORMAL


def test_probe_result_is_taken_unless_over_used() -> None:
    delay = DelayBased(300_000)
    estimate = delay.on_arrived([Arrived(0, 0, 1_200)], 300_000, 2_000_000, 0)
    assert (estimate.rate_bps, estimate.from_probe) == (2_000_000, True)
    _flow(delay, 100, 60, 4.0, 400_000)
    busy = delay.on_arrived([Arrived(1_300 * MS, 1_540 * MS, 1_200)], 400_000, 5_000_000, 1_600 * MS)
    assert not busy.from_probe
