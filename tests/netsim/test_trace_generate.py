"""Laws of the generators: seeded to the byte, bounded, and statistically like the published sets."""

from __future__ import annotations

import pytest

from grace_netsim.errors import TraceError
from grace_netsim.trace.convert import to_rates
from grace_netsim.trace.files import SHIPPED, shipped_folder
from grace_netsim.trace.formats import format_mahimahi
from grace_netsim.trace.generate import GENERATORS, generate_fcc, generate_lte
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.stats import TraceStats, trace_stats
from grace_netsim.trace.table import published


@pytest.fixture(scope="module")
def lte() -> TraceStats:
    return trace_stats([generate_lte(seed, 60) for seed in range(1, 9)])


@pytest.fixture(scope="module")
def fcc() -> TraceStats:
    return trace_stats([generate_fcc(seed, 60) for seed in range(1, 9)])


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_trace_is_what_its_seed_generates(name: str) -> None:
    kind, seed = name.split("-")
    made = format_mahimahi(GENERATORS[kind](int(seed), 60))
    assert (shipped_folder() / f"{name}.mahi").read_text() == made


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_trace_has_the_length_asked_for_and_stays_under_8_megabits(kind: str) -> None:
    for seconds in (1, 2, 61):
        trace = GENERATORS[kind](7, seconds)
        assert trace.period_ms == seconds * 1_000
        assert max(to_rates(trace).rates_bps[:-1]) <= 8_000_000


@pytest.mark.parametrize("kind", GENERATORS)
def test_other_seeds_give_other_traces(kind: str) -> None:
    made: set[OpportunityTrace] = {GENERATORS[kind](seed, 5) for seed in range(20)}
    assert len(made) == 20


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_absurd_lengths_are_refused(seconds: int) -> None:
    with pytest.raises(TraceError, match="ask for 1 to 86400 seconds"):
        generate_lte(1, seconds)


def test_the_lte_set_has_the_published_level(lte: TraceStats) -> None:
    target = published()["lte8"]
    assert lte.mean == pytest.approx(target.mean, rel=0.1)
    assert lte.cv == pytest.approx(target.cv, rel=0.1)
    assert lte.quantiles[5] == pytest.approx(target.quantiles[5], rel=0.15)


def test_the_lte_set_has_the_published_autocorrelation(lte: TraceStats) -> None:
    assert lte.autocorrelation == pytest.approx(published()["lte8"].autocorrelation, abs=0.08)
    assert lte.log_autocorrelation == pytest.approx(published()["lte8"].log_autocorrelation, abs=0.1)


def test_the_lte_set_has_the_published_outages_and_drops(lte: TraceStats) -> None:
    target = published()["lte8"]
    assert lte.outage_share == pytest.approx(target.outage_share, abs=0.02)
    assert lte.outages.per_minute == pytest.approx(target.outages.per_minute, rel=0.2)
    assert lte.long_outages_per_minute == pytest.approx(target.long_outages_per_minute, rel=0.3)
    assert lte.drops.per_minute == pytest.approx(target.drops.per_minute, rel=0.1)
    assert lte.sustained_drops.per_minute == pytest.approx(target.sustained_drops.per_minute, rel=0.2)


def test_the_fcc_set_has_the_published_level(fcc: TraceStats) -> None:
    target = published()["fcc8"]
    assert fcc.mean == pytest.approx(target.mean, rel=0.1)
    assert fcc.cv == pytest.approx(target.cv, rel=0.1)
    assert fcc.quantiles[5] == pytest.approx(target.quantiles[5], rel=0.15)


def test_the_fcc_set_has_the_published_autocorrelation_and_drops(fcc: TraceStats) -> None:
    target = published()["fcc8"]
    assert fcc.autocorrelation == pytest.approx(target.autocorrelation, abs=0.08)
    assert fcc.drops.per_minute == pytest.approx(target.drops.per_minute, abs=0.5)
    assert fcc.outage_share == 0
