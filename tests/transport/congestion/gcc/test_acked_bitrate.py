"""Throughput by the receiver's clock."""

from __future__ import annotations

import pytest
from tests.vectors import Case, cases, in_dialect

from grace_transport.congestion.gcc.acked_bitrate import AckedBitrate, ThroughputFilter
from grace_transport.congestion.history import Arrived

MS = 1_000


@pytest.mark.parametrize("case", cases("gcc", "acked_bitrate", "cases"))
def test_vectors(case: Case) -> None:
    throughput = ThroughputFilter()
    fast = case.get("expect_fast_rate_change_before_update", [])
    expected = {e["after_update"]: e for e in case["expected"]}
    for number, (at_ms, size_bytes) in enumerate(case["updates"], start=1):
        if number in fast:
            throughput.expect_fast_change()
        throughput.update(at_ms * MS, size_bytes)
        if number in expected:
            wanted = in_dialect(expected[number]["estimate_bps"], "libwebrtc")
            if wanted is None:
                assert throughput.rate_bps is None
            else:
                assert throughput.rate_bps == pytest.approx(wanted, abs=expected[number].get("tolerance_bps", 1))


class _Recorder(ThroughputFilter):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[object]] = []

    def update(self, at_us: int, size_bytes: int) -> None:
        self.calls.append(["update", at_us // MS, size_bytes])

    def expect_fast_change(self) -> None:
        self.calls.append(["expect_fast_rate_change"])


@pytest.mark.parametrize("case", cases("gcc", "acked_bitrate", "call_order_cases"))
def test_call_order_vectors(case: Case) -> None:
    recorder = _Recorder()
    acked = AckedBitrate(recorder)
    if case["alr_ended_ms"] is not None:
        acked.on_alr_ended(case["alr_ended_ms"] * MS)
    acked.on_arrived(
        [Arrived(f["send_time_ms"] * MS, f["arrival_time_ms"] * MS, f["packet_bytes"]) for f in case["feedback"]]
    )
    assert recorder.calls == case["expected_calls"]


def _feed(throughput: ThroughputFilter, start_ms: int, end_ms: int, size_bytes: int) -> None:
    for at_ms in range(start_ms, end_ms, 10):
        throughput.update(at_ms * MS, size_bytes)


def test_first_estimate_after_half_a_second() -> None:
    throughput = ThroughputFilter()
    _feed(throughput, 0, 500, 1_250)
    assert throughput.rate_bps is None
    throughput.update(500 * MS, 1_250)
    assert throughput.rate_bps == pytest.approx(1_000_000)


def test_a_far_sample_is_believed_more_slowly_than_a_near_one() -> None:
    throughput = ThroughputFilter()
    _feed(throughput, 0, 510, 1_250)
    _feed(throughput, 510, 660, 12_500)
    assert throughput.rate_bps is not None
    assert 1_000_000 < throughput.rate_bps < 2_000_000


def test_silence_of_windows_is_not_averaged_in() -> None:
    throughput = ThroughputFilter()
    _feed(throughput, 0, 510, 1_250)
    throughput.update(10_000 * MS, 1_250)
    assert throughput.rate_bps is not None
    assert throughput.rate_bps > 0


def test_zero_throughput_does_not_divide_by_zero() -> None:
    throughput = ThroughputFilter()
    throughput.update(0, 0)
    throughput.update(500 * MS, 0)
    throughput.update(700 * MS, 0)
    assert throughput.rate_bps == 0
    _feed(throughput, 1_000, 1_400, 1_250)
    assert throughput.rate_bps is not None
    assert throughput.rate_bps > 500_000
