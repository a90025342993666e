"""Real recordings against their published figures: traces cut and counted, spatial and temporal information."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from grace_codec.evaluation.quality import complexity
from grace_codec.media import open_clip
from grace_netsim.trace.convert import crop, to_opportunities
from grace_netsim.trace.fetch import Cut, catalogue, make_cut
from grace_netsim.trace.files import load_opportunities, read_trace
from grace_netsim.trace.formats import format_mahimahi
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries
from grace_netsim.trace.stats import trace_stats
from grace_netsim.trace.table import published, stats_from_json

TRACES = Path(os.environ["GRACE_EXTRA"]) / "traces"
VIDEO = Path(os.environ["GRACE_EXTRA"]) / "video"
CUTS = [cut for cuts in catalogue().cuts.values() for cut in cuts]


@pytest.mark.parametrize("name", ["lte8", "fcc8"])
def test_the_evaluation_sets_have_their_published_statistics(name: str) -> None:
    stats = trace_stats([load_opportunities(str(path)) for path in sorted((TRACES / name).iterdir())])
    rounded = json.loads(json.dumps(asdict(stats)), parse_float=lambda text: round(float(text), 4))
    assert stats_from_json(rounded) == published()[name]


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_the_evaluation_sets_can_be_cut_from_their_originals(cut: Cut, tmp_path: Path) -> None:
    kind = "mahimahi" if cut.name.startswith("lte") else "fcc"
    (tmp_path / cut.origin.name).symlink_to((TRACES / kind / cut.origin.name).resolve())
    assert make_cut(cut, tmp_path).read_bytes() == (TRACES / f"{cut.name[:3]}8" / cut.name).read_bytes()


def test_fcc_steps_become_the_published_opportunities() -> None:
    series = read_trace(TRACES / "fcc/trace_925806_amazon.com.txt")
    assert isinstance(series, RateSeries)
    published = (TRACES / "fcc/trace_925806_amazon.com.mahi").read_text()
    assert format_mahimahi(crop(to_opportunities(series), 0, 240_000)) == published


def test_the_oracle_trace_has_its_known_rate() -> None:
    trace = read_trace(TRACES / "mahimahi/ATT-LTE-driving.down")
    assert isinstance(trace, OpportunityTrace)
    assert (len(trace.times_ms), trace.period_ms) == (338_895, 786_112)
    assert trace.capacity_bps == pytest.approx(5.19e6, rel=0.001)


def test_figures_of_real_clips_match_their_manifest() -> None:
    manifest = (VIDEO / "MANIFEST.csv").read_text().splitlines()
    rows = [row for row in csv.DictReader(manifest) if "akiyo" in row["file"]]
    assert rows
    for row in rows:
        with open_clip(VIDEO / row["file"]) as clip:
            figures = complexity(frame.y for frame in clip.play())
        assert figures.si == pytest.approx(float(row["SI"]), rel=0.03)
        assert figures.ti == pytest.approx(float(row["TI"]), rel=0.03)
