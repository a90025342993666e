"""Laws of the trace statistics: small literals for each definition, and the published sets."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_netsim.trace.convert import to_opportunities
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries
from grace_netsim.trace.stats import autocorrelation, bins_of, drops, outage_runs, sustained_drops, trace_stats
from grace_netsim.trace.table import ROWS, published, stats_from_json


def mbps(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def steady(rate_bps: int, seconds: int) -> OpportunityTrace:
    return to_opportunities(RateSeries((rate_bps,) * (10 * seconds)))


def test_published_figures_are_the_ones_of_the_paper_trail() -> None:
    lte, fcc = published()["lte8"], published()["fcc8"]
    assert (lte.mean, lte.cv, lte.outages.per_minute) == (3.7321, 0.7475, 14.0)
    assert lte.autocorrelation == (0.6335, 0.6429, 0.5988, 0.5052, 0.3994, 0.2255)
    assert (lte.drops.per_minute, lte.sustained_drops.per_minute) == (58.375, 8.75)
    assert (fcc.mean, fcc.cv, fcc.outages.per_minute) == (3.8685, 0.5686, 0.0)


def test_bins_count_the_opportunities_up_to_their_end() -> None:
    assert bins_of(OpportunityTrace((0, 100, 101, 200, 201))).tolist() == pytest.approx([0.24064, 0.24064])


def test_a_trace_of_less_than_a_step_counts_as_repeated() -> None:
    assert trace_stats([OpportunityTrace((1,))]).mean == pytest.approx(12.032)


def test_a_steady_trace_has_no_variation_outage_or_drop() -> None:
    stats = trace_stats([steady(1_203_200, 20)])
    assert stats.mean == pytest.approx(1.2032)
    assert (stats.cv, stats.outage_share, stats.at_cap, stats.cv_of_seconds) == pytest.approx((0, 0, 1, 0))
    assert (stats.outages.per_minute, stats.drops.per_minute, stats.sustained_drops.per_minute) == (0, 0, 0)
    assert stats.autocorrelation == (0,) * 6


def test_outages_are_runs_below_a_fifth_of_a_megabit() -> None:
    assert outage_runs(mbps(0, 0.19, 3, 0.2, 0.1, 3, 0)).tolist() == [2, 1, 1]
    assert outage_runs(mbps(1, 2)).tolist() == []


def test_a_drop_reaches_to_the_lowest_of_the_next_half_second() -> None:
    assert drops(mbps(4, 3, 1, 0.5, 4, 4)) == pytest.approx([0.875])
    assert drops(mbps(4, 2, 2, 2)) == []  # half is not less than half
    assert drops(mbps(0.19, 0)) == []  # there was nothing to lose
    assert drops(mbps(4, 4, 4, 4, 4, 4, 1)) == pytest.approx([0.75])


def test_a_sustained_drop_compares_half_seconds() -> None:
    assert sustained_drops(mbps(*[4.0] * 6, *[1.0] * 6)) == pytest.approx([0.75])
    assert sustained_drops(mbps(*[4.0] * 6, 0, *[4.0] * 6)) == []  # one lost step is no loss of capacity
    assert sustained_drops(mbps(4, 1)) == []
    assert sustained_drops(mbps(*[4.0] * 5, *[1.0] * 5)) == pytest.approx([0.75])  # still low at the end


def test_autocorrelation_is_about_the_mean() -> None:
    assert autocorrelation(mbps(*[1.0, 3.0] * 50), 1) == pytest.approx(-0.99)
    assert autocorrelation(mbps(*[1.0, 3.0] * 50), 2) == pytest.approx(0.98)
    assert autocorrelation(mbps(2, 2, 2), 1) == 0
    assert autocorrelation(mbps(1, 2), 5) == 0


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=60).map(sorted).map(tuple))
def test_every_trace_has_statistics_and_a_table(times: tuple[int, ...]) -> None:
    stats = trace_stats([OpportunityTrace(times)])
    assert 0 <= stats.outage_share <= 1
    assert all(text(stats) for _, text in ROWS)
    assert stats_from_json(json.loads(json.dumps(asdict(stats)))) == stats


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one trace"):
        trace_stats([])
