"""Use of the link: sent over capacity, stalls that the link does not explain, recovery after a step up."""

from __future__ import annotations

import pytest

from grace_lab.log.schema import SessionLog
from grace_lab.metrics.capacity import outages, stall_beyond_outages_ratio, step_up_ms, utilisation

MS, S = 1_000, 1_000_000


def _log(capacity_bps: list[int], sent_bytes: list[int]) -> SessionLog:
    """Both in steps of 100 ms."""
    log = SessionLog()
    for step, bps in enumerate(capacity_bps):
        log.emit(step * 100 * MS, "link_capacity", bps=bps)
    for step, size in enumerate(sent_bytes):
        log.emit(step * 100 * MS, "packet_sent", seq=step, frame_id=step, index=0, bytes=size, kind="media")
    return log


def test_utilisation_is_sent_over_capacity() -> None:
    assert utilisation(_log([800_000] * 10, [5_000] * 10)) == pytest.approx(0.5)
    assert utilisation(_log([], [5_000] * 10)) is None


def test_an_outage_is_a_gap_of_more_than_200_ms_between_departures() -> None:
    mbit = 1_203_200  # a packet every 10 ms
    assert outages(_log([mbit] * 10 + [0] * 2 + [mbit] * 10, [])) == [(1_000 * MS, 1_210 * MS)]
    assert outages(_log([mbit] * 10 + [0] * 1 + [mbit] * 10, [])) == []
    assert outages(_log([mbit] * 10 + [0] * 5, [])) == [(1_000 * MS, 1_500 * MS)]


def test_a_stall_counts_where_the_link_was_not_out() -> None:
    log = _log([1_203_200] * 10 + [0] * 5 + [1_203_200] * 15, [])
    for frame in range(30):
        at_us = frame * 100 * MS
        log.emit(at_us, "frame_captured", frame_id=frame, captured_us=at_us)
        if not 10 <= frame < 18:  # 500 ms of outage, and 300 ms more
            facts = {"frame_id": frame, "captured_us": at_us, "delay_us": 50 * MS, "ssim": None, "psnr": None}
            log.emit(at_us + 50 * MS, "frame_rendered", **facts)
    ratio = stall_beyond_outages_ratio(log)
    assert ratio is not None
    length_s = 2.9 + 0.04
    assert ratio * length_s == pytest.approx(0.9 - 0.51, abs=0.01)


def test_a_step_up_counts_until_80_percent_is_sent() -> None:
    low, high = 500_000, 4_000_000
    capacity = [low] * 30 + [high] * 80
    sent = [low // 80] * 50 + [high // 80] * 60
    assert step_up_ms(_log(capacity, sent)) == 2_500  # 2 s, and the half second that the rate is measured over
    assert step_up_ms(_log([low] * 20, [low // 80] * 20)) is None


def test_capacity_samples_that_share_a_time_say_nothing() -> None:
    log = SessionLog()
    for _ in range(2):
        log.emit(0, "link_capacity", bps=800_000)
    log.emit(0, "packet_sent", seq=0, frame_id=0, index=0, bytes=100, kind="media")
    assert utilisation(log) is None
    assert outages(log) == []
