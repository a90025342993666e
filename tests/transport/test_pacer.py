"""Debt, priorities, probe bursts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_transport.pacer import MAX_WAITING_PROBES, PADDING_PACKET_BYTES, Pacer, Priority
from grace_transport.types import ProbeCluster

MS, S = 1_000, 1_000_000
BPS = 1_000_000  # 125 bytes a millisecond, 625 in a tick of 5 ms


def _pop(pacer: Pacer[str], now_us: int) -> list[str]:
    return [item for item, _ in pacer.pop_due(now_us)]


def _fill(pacer: Pacer[str], count: int, size_bytes: int = 625, priority: Priority = Priority.VIDEO) -> None:
    for i in range(count):
        pacer.enqueue(f"{priority.name.lower()}{i}", size_bytes, priority, 0)


def _drain(pacer: Pacer[str], until_us: int) -> list[tuple[int, str]]:
    """Wakes when the pacer asks for it; returns what left when."""
    sent: list[tuple[int, str]] = []
    now_us = 0
    while True:
        sent += [(now_us, item) for item, _ in pacer.pop_due(now_us)]
        timer_us = pacer.get_timer()
        if timer_us is None or timer_us > until_us:
            return sent
        assert timer_us > now_us
        now_us = timer_us


def test_empty_pacer_wants_nothing() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    assert pacer.get_timer() is None
    assert pacer.pop_due(0) == []
    assert pacer.padding_wanted(0) == (0, None)
    assert (pacer.queue_bytes, pacer.queue_us(0)) == (0, 0)


def test_packets_leave_at_the_pacing_rate_in_bursts_of_five_ms() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 4)
    assert _drain(pacer, S) == [(0, "video0"), (5 * MS, "video1"), (10 * MS, "video2"), (15 * MS, "video3")]


def test_small_packets_share_a_burst() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 7, 125)
    assert [at_us for at_us, _ in _drain(pacer, S)] == [0] * 5 + [5 * MS] * 2


def test_idle_time_is_not_saved_up() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    pacer.pop_due(0)
    for i in range(4):
        pacer.enqueue(f"late{i}", 625, Priority.VIDEO, 10 * S)
    assert _pop(pacer, 10 * S) == ["late0"]


def test_priorities_go_before_age() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 2)
    assert _pop(pacer, 0) == ["video0"]
    _fill(pacer, 1, priority=Priority.PADDING)
    _fill(pacer, 1, priority=Priority.RETRANSMISSION)
    assert [item for _, item in _drain(pacer, S)] == ["retransmission0", "video1", "padding0"]


def test_rate_rises_so_that_the_queue_drains_in_two_seconds() -> None:
    pacer: Pacer[str] = Pacer(100_000)
    _fill(pacer, 200)  # 1 Mbit: 10 s at the pacing rate
    sent = _drain(pacer, 10 * S)
    assert len(sent) == 200
    assert sent[-1][0] <= 2.1 * S


def test_queue_is_told_in_bytes_and_in_time() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 4)
    assert (pacer.queue_bytes, pacer.queue_us(0)) == (2_500, 20 * MS)


def test_debt_of_more_than_half_a_second_is_forgotten() -> None:
    pacer: Pacer[str] = Pacer(100_000)
    pacer.enqueue("large", 100_000, Priority.VIDEO, 0)  # 8 s at the pacing rate
    pacer.pop_due(0)
    pacer.enqueue("video", 100, Priority.VIDEO, 0)
    assert pacer.get_timer() == 500 * MS
    assert _pop(pacer, 500 * MS) == ["video"]


def test_higher_rate_pays_debt_faster_from_now_on() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 2, 1_250)
    pacer.pop_due(0)
    assert pacer.get_timer() == 10 * MS
    pacer.set_rate(2 * BPS, 5 * MS)
    assert pacer.get_timer() == 7_500


def test_time_that_runs_backwards_pays_nothing() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 3)
    assert _pop(pacer, S) == ["video0"]
    assert _pop(pacer, 0) == []
    assert _pop(pacer, 5 * MS) == ["video1"]


def test_packets_without_size_are_a_value_error() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    with pytest.raises(ValueError, match="0 bytes"):
        pacer.enqueue("nothing", 0, Priority.VIDEO, 0)


# -- probes ----------------------------------------------------------------------------------------------------------


def _probe(cluster_id: int = 1, bitrate_bps: int = 4 * BPS) -> ProbeCluster:
    """At 4 Mbps: 500 bytes a millisecond, bursts of 1,000 bytes, 7,500 bytes in 15 ms."""
    return ProbeCluster(cluster_id, bitrate_bps)


def _probe_run(pacer: Pacer[str], now_us: int, until_us: int) -> list[tuple[int, int | None, int]]:
    """(when, cluster, bytes) of everything sent; packets are 500 bytes."""
    sent: list[tuple[int, int | None, int]] = []
    while now_us <= until_us:
        sent += [(now_us, cluster, 500) for _, cluster in pacer.pop_due(now_us)]
        size_bytes, cluster = pacer.padding_wanted(now_us)
        if size_bytes:
            sent.append((now_us, cluster, size_bytes))
        timer_us = pacer.get_timer()
        if timer_us is None:
            return sent
        assert timer_us > now_us
        now_us = timer_us
    return sent


def test_probe_waits_for_the_first_packet() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    pacer.add_probe(_probe(), 0)
    assert pacer.get_timer() is None
    assert pacer.padding_wanted(0) == (0, None)


def test_probe_sends_queued_packets_at_its_own_rate() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    pacer.add_probe(_probe(), 0)
    _fill(pacer, 15, 500)
    sent = _probe_run(pacer, 0, 14 * MS)
    assert {cluster for _, cluster, _ in sent} == {1}
    assert [at_us for at_us, _, _ in sent] == [at_us for at_us in range(0, 14 * MS, 2 * MS) for _ in range(2)] + [
        14 * MS
    ]


def test_probe_asks_for_the_padding_that_the_queue_lacks() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 1, 500)
    pacer.add_probe(_probe(), 0)
    sent = _probe_run(pacer, 0, S)
    assert sent[0] == (0, 1, 500)
    assert sent[1:] == [(at_us, 1, 1_000) for at_us in range(1 * MS, 15 * MS, 2 * MS)]
    assert sum(size for _, _, size in sent) >= 7_500
    assert pacer.get_timer() is None


def test_probe_has_at_least_five_packets() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 1, 100)
    pacer.add_probe(ProbeCluster(1, 100_000, min_packets=5, min_duration_us=15 * MS), 0)  # 187 bytes would do
    packets = 0
    now_us: int | None = 0
    while now_us is not None:
        packets += len(pacer.pop_due(now_us))
        packets += -(-pacer.padding_wanted(now_us).size_bytes // PADDING_PACKET_BYTES)
        now_us = pacer.get_timer()
    assert packets == 5


def test_clusters_follow_each_other() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 1, 500)
    pacer.add_probe(_probe(1), 0)
    pacer.add_probe(_probe(2, 8 * BPS), 0)
    sent = _probe_run(pacer, 0, S)
    ends = {cluster: at_us for at_us, cluster, _ in sent}
    starts = {cluster: at_us for at_us, cluster, _ in reversed(sent)}
    assert starts[2] > ends[1]
    assert 14 * MS <= ends[2] - starts[2] <= 16 * MS


def test_media_waits_while_the_probe_is_paid_off() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 1, 500)
    pacer.add_probe(_probe(), 0)
    _probe_run(pacer, 0, 20 * MS)
    pacer.enqueue("video", 500, Priority.VIDEO, 20 * MS)
    assert pacer.pop_due(20 * MS) == []
    assert pacer.get_timer() == 60 * MS  # 7,500 bytes at the pacing rate


def test_probe_that_is_late_is_given_up() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 1, 500)
    pacer.add_probe(_probe(), 0)
    pacer.pop_due(0)
    assert pacer.padding_wanted(22 * MS) == (0, None)
    assert pacer.get_timer() is None


def test_probe_bears_a_timer_that_is_a_little_late() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    _fill(pacer, 1, 500)
    pacer.add_probe(_probe(), 0)
    pacer.pop_due(0)
    assert pacer.padding_wanted(18 * MS).probe_cluster == 1


def test_probe_that_could_not_start_goes_stale() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    pacer.add_probe(_probe(), 0)
    pacer.enqueue("video", 500, Priority.VIDEO, 6 * S)
    assert pacer.pop_due(6 * S) == [("video", None)]


def test_waiting_probes_are_bounded() -> None:
    pacer: Pacer[str] = Pacer(BPS)
    for cluster_id in range(100):
        pacer.add_probe(_probe(cluster_id), 0)
    _fill(pacer, 1, 500)
    clusters = {cluster for _, cluster, _ in _probe_run(pacer, 0, 10 * S)}
    assert clusters == set(range(100 - MAX_WAITING_PROBES, 100))


_events = st.one_of(
    st.tuples(st.just("enqueue"), st.integers(1, 5_000), st.sampled_from(Priority)),
    st.tuples(st.just("probe"), st.integers(1, 10_000_000), st.just(Priority.VIDEO)),
    st.tuples(st.just("rate"), st.integers(0, 10_000_000), st.just(Priority.VIDEO)),
    st.tuples(st.just("wait"), st.integers(0, 100_000), st.just(Priority.VIDEO)),
)


@settings(max_examples=100)
@given(st.lists(_events, max_size=60))
def test_everything_leaves_once_and_the_pacer_never_spins(events: list[tuple[str, int, Priority]]) -> None:
    pacer: Pacer[int] = Pacer(BPS)
    now_us = queued = left = 0
    for number, (kind, value, priority) in enumerate(events):
        if kind == "enqueue":
            pacer.enqueue(number, value, priority, now_us)
            queued += 1
        elif kind == "probe":
            pacer.add_probe(ProbeCluster(number, value), now_us)
        elif kind == "rate":
            pacer.set_rate(value, now_us)
        else:
            now_us += value
        left += len(pacer.pop_due(now_us))
        pacer.padding_wanted(now_us)
    for _ in range(10_000):
        timer_us = pacer.get_timer()
        if timer_us is None:
            break
        now_us = max(now_us, timer_us)
        left += len(pacer.pop_due(now_us))
        pacer.padding_wanted(now_us)
    assert pacer.get_timer() is None
    assert (left, pacer.queue_bytes) == (queued, 0)
