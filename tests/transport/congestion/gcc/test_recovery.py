"""Growth while the queue is empty, draining while it stands, little while reports stay out, and few probes."""

from __future__ import annotations

from itertools import pairwise

from grace_transport.congestion.gcc.recovery import FIRST_PROBE_REST_US, PROBE_CREDIT_BYTES, Recovery
from grace_transport.congestion.history import Arrived

MS, S = 1_000, 1_000_000


def _thin(recovery: Recovery, from_ms: int, to_ms: int, wait_us: int = 0) -> None:
    """One packet of 250 bytes every 50 ms with its report: too thin for trains."""
    for at_ms in range(from_ms, to_ms, 50):
        at_us = at_ms * MS
        recovery.on_sent(250, at_us)
        arrived = [Arrived(at_us, at_us + 50 * MS + wait_us, 250)]
        recovery.on_report(arrived, wait_us, 100 * MS, 40_000, at_us + 40 * MS)


def test_an_empty_queue_lets_the_rate_grow_without_trains() -> None:
    recovery = Recovery()
    _thin(recovery, 0, 1_000)
    assert recovery.queue_is_empty
    assert recovery.contradicts_capacity(1 * S)
    assert 100_000 < recovery.rate(100_000, 100_000, overused=False, lossy=False, congested=False) < 110_000


def test_nothing_grows_beyond_what_is_proven() -> None:
    recovery = Recovery()
    _thin(recovery, 0, 1_000)
    assert recovery.rate(200_000, 50_000, overused=False, lossy=False, congested=False) == 200_000


def test_a_standing_queue_is_drained_and_then_left_alone() -> None:
    recovery = Recovery()
    _thin(recovery, 0, 500)
    _thin(recovery, 500, 1_000, wait_us=110 * MS)
    assert recovery.limit(500_000, 500_000, 1 * S) == 500_000 * (1 - 100 / 300)
    _thin(recovery, 1_000, 4_000, wait_us=110 * MS)
    assert recovery.limit(500_000, 500_000, 4 * S) == 500_000


def test_little_is_sent_while_reports_stay_out() -> None:
    recovery = Recovery()
    _thin(recovery, 0, 1_000)
    recovery.on_sent(1_000, 1_000 * MS)
    assert recovery.limit(500_000, None, 1_300 * MS) == 500_000
    assert recovery.limit(500_000, None, 1_500 * MS) == 250_000
    assert recovery.limit(500_000, None, 3_000 * MS) == 50_000


def test_a_pause_of_the_sender_is_no_silence() -> None:
    recovery = Recovery()
    _thin(recovery, 0, 1_000)
    recovery.on_sent(1_000, 9 * S)
    assert recovery.limit(500_000, None, 9 * S + 100 * MS) == 500_000


def test_failed_probes_come_at_growing_distances_and_are_a_bounded_share() -> None:
    recovery, probed_ms = Recovery(), []
    for at_ms in range(0, 60_000, 50):
        _thin(recovery, at_ms, at_ms + 50)
        if recovery.probe_bps(40_000, at_ms * MS + 40 * MS) is not None:
            probed_ms.append(at_ms)
    distances = [later - earlier for earlier, later in pairwise(probed_ms)]
    assert distances[0] * MS >= FIRST_PROBE_REST_US
    assert distances == sorted(distances)
    assert distances[-1] >= 16_000
    assert len(probed_ms) * 1_220 < PROBE_CREDIT_BYTES + 0.1 * 60 * 20 * 250


def test_a_probe_that_finds_more_is_followed_up_soon() -> None:
    recovery = Recovery()
    assert recovery.on_probe(110_000, 100_000) is None
    assert recovery.on_probe(400_000, 100_000) == 400_000


def test_no_probe_into_a_queue_or_a_silence() -> None:
    recovery = Recovery()
    _thin(recovery, 0, 1_000, wait_us=50 * MS)
    assert recovery.probe_bps(40_000, 1 * S) is None
    recovery = Recovery()
    _thin(recovery, 0, 1_000)
    recovery.on_sent(250, 1 * S)
    assert recovery.probe_bps(40_000, 2 * S) is None
