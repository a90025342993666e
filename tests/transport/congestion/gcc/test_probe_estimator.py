"""Bandwidth from one probe cluster."""

from __future__ import annotations

import pytest
from tests.vectors import Case, cases

from grace_transport.congestion.gcc.probe_estimator import MAX_CLUSTERS, ProbeEstimator
from grace_transport.congestion.history import Arrived
from grace_transport.types import ProbeCluster

MS = 1_000


def _probe(cluster_id: int, min_packets: int, min_bytes: int) -> ProbeCluster:
    return ProbeCluster(cluster_id, min_bytes * 8, min_packets, 1_000_000)


@pytest.mark.parametrize("case", cases("gcc", "probe_bitrate", "cases"))
def test_vectors(case: Case) -> None:
    estimator = ProbeEstimator()
    for p in case["packets"]:
        packet = Arrived(p["send_time_ms"] * MS, p["arrival_time_ms"] * MS, p["packet_bytes"])
        probe = _probe(p["cluster_id"], p["cluster_min_probes"], p["cluster_min_bytes"])
        estimate = estimator.on_packet(probe, packet)
        if "expected_bps" in p:
            assert estimate == pytest.approx(p["expected_bps"], abs=p.get("tolerance_bps", 0))
    if "expected_fetch_bps" in case:
        assert estimator.fetch() == case["expected_fetch_bps"]
        assert estimator.fetch() is None


def _run(estimator: ProbeEstimator, cluster_id: int, *times_ms: tuple[int, int]) -> int | None:
    estimate = None
    for sent_ms, arrived_ms in times_ms:
        packet = Arrived(sent_ms * MS, arrived_ms * MS, 1_000)
        estimate = estimator.on_packet(_probe(cluster_id, 5, 5_000), packet)
    return estimate


def test_four_of_five_packets_are_enough() -> None:
    assert _run(ProbeEstimator(), 0, (0, 10), (10, 20), (20, 30)) is None
    assert _run(ProbeEstimator(), 0, (0, 10), (10, 20), (20, 30), (30, 40)) == 800_000


def test_saturated_link_gives_95_percent_of_what_arrived() -> None:
    assert _run(ProbeEstimator(), 0, (0, 10), (10, 40), (20, 70), (30, 85)) == 304_000


def test_arrivals_that_are_too_fast_to_be_true_give_nothing() -> None:
    assert _run(ProbeEstimator(), 0, (0, 19), (10, 22), (20, 25), (40, 27)) is None


def test_clusters_are_bounded_whatever_the_arrival_times() -> None:
    estimator = ProbeEstimator()
    for cluster_id in range(10 * MAX_CLUSTERS):
        _run(estimator, cluster_id, (0, -1_000 * cluster_id))
    assert len(estimator._clusters) <= MAX_CLUSTERS
