"""Trace statistics as rows of text, and the published figures of the evaluation sets to hold beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from grace_netsim.trace.stats import LAGS_S, QUANTILES, Spread, TraceStats

Row = tuple[str, Callable[[TraceStats], str]]


def _figures(values: Sequence[float], digits: int = 2) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values) or "none"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _sizes(spread: Spread) -> str:
    return _figures([100 * size for size in spread.percentiles], 0)


ROWS: tuple[Row, ...] = (
    ("traces", lambda s: str(s.traces)),
    ("length, s", lambda s: f"{s.seconds:.1f}"),
    ("mean, Mbit/s", lambda s: f"{s.mean:.3f}"),
    ("lowest and highest mean of a trace", lambda s: _figures((s.mean_min, s.mean_max))),
    ("coefficient of variation, pooled", lambda s: f"{s.cv:.3f}"),
    ("coefficient of variation, mean over traces", lambda s: f"{s.cv_mean:.3f}"),
    *(
        (f"p{quantile} of the 100 ms rate, Mbit/s", lambda s, i=i: f"{s.quantiles[i]:.2f}")
        for i, quantile in enumerate(QUANTILES)
    ),
    ("steps at the maximum", lambda s: _percent(s.at_cap)),
    *(
        (f"autocorrelation at {lag_s:g} s", lambda s, i=i: f"{s.autocorrelation[i]:.3f}")
        for i, lag_s in enumerate(LAGS_S)
    ),
    *(
        (f"autocorrelation of the log at {lag_s:g} s", lambda s, i=i: f"{s.log_autocorrelation[i]:.3f}")
        for i, lag_s in enumerate(LAGS_S)
    ),
    ("steps in outage (below 0.2 Mbit/s)", lambda s: _percent(s.outage_share)),
    ("steps without any opportunity", lambda s: _percent(s.empty_share)),
    ("outages per minute", lambda s: f"{s.outages.per_minute:.2f}"),
    ("outages of 0.5 s or more per minute", lambda s: f"{s.long_outages_per_minute:.2f}"),
    ("outage, s: p25 / p50 / p75 / p95 / max", lambda s: _figures(s.outages.percentiles)),
    ("drops by half within 0.5 s, per minute", lambda s: f"{s.drops.per_minute:.2f}"),
    ("drop, %: p25 / p50 / p75 / p95 / max", lambda s: _sizes(s.drops)),
    ("sustained drops per minute", lambda s: f"{s.sustained_drops.per_minute:.2f}"),
    ("sustained drop, %: p25 / p50 / p75 / p95 / max", lambda s: _sizes(s.sustained_drops)),
    ("variation of the 1 s means", lambda s: f"{s.cv_of_seconds:.3f}"),
    ("variation inside a second: p25 / p50 / p75", lambda s: _figures(s.cv_in_second)),
    ("opportunities in a used ms: p50 / p90 / p99", lambda s: _figures(s.per_millisecond, 0)),
    ("gap between used ms, ms: p50 / p90 / p99", lambda s: _figures(s.gap_ms, 0)),
)


@cache
def published() -> Mapping[str, TraceStats]:
    """The figures of the evaluation sets that the generators are fitted to, by the name of the set."""
    text = (resources.files("grace_netsim") / "data" / "trace_targets.json").read_text(encoding="utf-8")
    return {name: stats_from_json(figures) for name, figures in json.loads(text)["sets"].items()}


def stats_from_json(figures: Mapping[str, Any]) -> TraceStats:
    """The inverse of dataclasses.asdict, after a trip through JSON."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in figures.items()
    }
    for name in ("outages", "drops", "sustained_drops"):
        fields[name] = Spread(figures[name]["per_minute"], tuple(figures[name]["percentiles"]))
    return TraceStats(**fields)
