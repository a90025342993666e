"""Laws of conversion: bytes are conserved, lengths are kept, and what lies outside a trace is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors import load

from grace_netsim.errors import TraceError
from grace_netsim.trace.convert import cap, crop, to_opportunities, to_rates
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries, ServiceCurve

times = st.lists(st.integers(1, 3_000), min_size=1, max_size=300).map(sorted).map(tuple)


def test_twelve_megabits_are_an_opportunity_a_millisecond() -> None:
    assert to_opportunities(RateSeries((12_032_000,))).times_ms == tuple(range(1, 101))
    assert OpportunityTrace((1,)).capacity_bps == 12_032_000


def test_capacity_is_as_in_the_vectors() -> None:
    for case in load("link", "capacity"):
        assert OpportunityTrace(tuple(case["trace_ms"])).capacity_bps == case["capacity_bps"]


def test_opportunities_are_counted_in_the_step_they_end() -> None:
    assert to_rates(OpportunityTrace((0, 100, 101, 200))).rates_bps == (240_640, 240_640)


def test_a_last_partial_step_has_the_rate_of_its_part() -> None:
    assert to_rates(OpportunityTrace((100, 150))).rates_bps == (120_320, 240_640)
    assert to_rates(OpportunityTrace((1,))).rates_bps == (12_032_000,)


@given(times)
def test_opportunities_to_rates_and_back_keep_their_number_in_every_step(times_ms: tuple[int, ...]) -> None:
    trace = OpportunityTrace((*times_ms, 3_000))
    again = to_opportunities(to_rates(trace))
    assert to_rates(again) == to_rates(trace)
    assert again.period_ms == 3_000


@given(st.lists(st.integers(0, 20_000_000), min_size=1, max_size=40).filter(lambda rates: sum(rates) > 200_000))
def test_no_opportunity_comes_before_its_bytes_are_earned(rates: list[int]) -> None:
    series = RateSeries(tuple(rates))
    trace = to_opportunities(series)
    curve = ServiceCurve(series)
    for number, at_ms in enumerate(trace.times_ms, start=1):
        assert curve.offered(at_ms * 1_000) >= number * 1504 * 8_000_000
    assert trace.period_ms == len(rates) * 100


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any), st.integers(1, 10**16), st.booleans())
def test_the_service_curve_and_its_inverse_agree(rates: list[int], microbits: int, repeat: bool) -> None:
    curve = ServiceCurve(RateSeries(tuple(rates)), repeat=repeat)
    at_us = curve.reached_us(microbits)
    if at_us < 1 << 62:
        assert curve.offered(at_us) >= microbits > curve.offered(at_us - 1)
    else:
        assert not repeat


def test_a_crop_keeps_its_length_and_moves_the_last_opportunity_to_its_end() -> None:
    trace = OpportunityTrace((0, 5, 10, 15, 20, 30))
    assert crop(trace, 5, 12).times_ms == (5, 12)
    assert crop(trace, 0, 30) == trace


@pytest.mark.parametrize(
    ("start_ms", "length_ms", "message"),
    [
        (0, 31, "the cut ends at 0.031 s, but the trace lasts 0.03 s"),
        (-1, 5, "start within it"),
        (30, 5, "a cut from 0.03 s of a trace of 0.03 s"),
        (0, 0, "a cut of 0 s holds nothing"),
        (21, 5, "no opportunity from 0.021 s to 0.026 s"),
    ],
)
def test_a_crop_outside_the_trace_is_refused(start_ms: int, length_ms: int, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        crop(OpportunityTrace((0, 5, 10, 15, 20, 30)), start_ms, length_ms)


def test_a_cap_thins_evenly() -> None:
    trace = OpportunityTrace((*range(10, 101, 10), 150, 200))
    assert cap(trace, 5 * 120_320).times_ms == (10, 30, 50, 70, 90, 150, 200)
    with pytest.raises(TraceError, match="below one packet in 100 ms"):
        cap(trace, 100_000)


@given(times, st.integers(1, 100))
def test_a_capped_trace_stays_below_its_cap_and_keeps_its_period(times_ms: tuple[int, ...], most: int) -> None:
    trace = OpportunityTrace(times_ms)
    thinned = cap(trace, most * 120_320)
    whole_steps = to_rates(thinned).rates_bps[: thinned.period_ms // 100]
    assert max(whole_steps, default=0) <= most * 120_320
    assert thinned.period_ms == trace.period_ms


def test_absurd_rates_are_refused_in_bounded_time() -> None:
    with pytest.raises(TraceError, match="cut the trace"):
        to_opportunities(RateSeries((10**11,) * 10_000))
    with pytest.raises(TraceError, match="do not add up to one packet"):
        to_opportunities(RateSeries((1,)))
