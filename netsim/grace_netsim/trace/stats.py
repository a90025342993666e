"""Statistics of traces over 100 ms bins, alone or pooled: level, autocorrelation, outages, drops, packet level.

The definitions are those of the published figures the generators are fitted to (traces/SOURCES.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grace_netsim.trace.convert import BITS_PER_OPPORTUNITY, STEP_MS, cap
from grace_netsim.trace.opportunities import OpportunityTrace

Bins = NDArray[np.float64]  # (n,) Mbit/s in each 100 ms

QUANTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
LAGS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SPREAD = (25, 50, 75, 95, 100)  # percentiles of durations and drop sizes

BINS_PER_S = 1_000 // STEP_MS
OUTAGE_MBPS = 0.2  # GRACE's traces move between 0.2 and 8 Mbit/s (§5.1)
LOG_FLOOR_MBPS = 0.06  # half an opportunity in 100 ms
HALF_SECOND = BINS_PER_S // 2


@dataclass(frozen=True, slots=True)
class Spread:
    """How often something happens, and percentiles 25, 50, 75, 95, 100 of its sizes (empty if it never does)."""

    per_minute: float
    percentiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TraceStats:
    """Rates in Mbit/s. Autocorrelations are per trace about its own mean, weighted by length."""

    traces: int
    seconds: float
    mean: float
    mean_min: float  # over the traces
    mean_max: float
    cv: float  # coefficient of variation of all bins
    cv_mean: float  # mean of the traces' own
    quantiles: tuple[float, ...]  # at QUANTILES
    at_cap: float  # share of bins at the maximum
    autocorrelation: tuple[float, ...]  # at LAGS_S
    log_autocorrelation: tuple[float, ...]  # of log10(rate), floored
    outage_share: float  # bins under 0.2 Mbit/s
    empty_share: float  # bins without any opportunity
    outages: Spread  # runs of such bins; seconds
    long_outages_per_minute: float  # of 0.5 s or more
    drops: Spread  # of a bin by more than 50 % within 0.5 s; shares
    sustained_drops: Spread  # of 0.5 s means, after against before; shares
    cv_of_seconds: float  # of the 1 s means, mean over the traces
    cv_in_second: tuple[float, ...]  # of ten bins; percentiles 25, 50, 75
    per_millisecond: tuple[float, ...]  # opportunities in a non-empty one; percentiles 50, 90, 99
    gap_ms: tuple[float, ...]  # between non-empty ones; percentiles 50, 90, 99


def bins_of(trace: OpportunityTrace) -> Bins:
    """Mbit/s of every whole 100 ms; a trace shorter than that counts as repeated up to it."""
    period_ms = trace.period_ms
    if period_ms < STEP_MS:
        repeats = -(-STEP_MS // period_ms)
        trace = OpportunityTrace(tuple(at + r * period_ms for r in range(repeats) for at in trace.times_ms))
    times = np.asarray(trace.times_ms, dtype=np.int64)
    whole = int(times[-1]) // STEP_MS
    index = np.maximum(times - 1, 0) // STEP_MS
    counts = np.bincount(index[index < whole], minlength=whole).astype(np.float64)
    return np.asarray(counts * (BITS_PER_OPPORTUNITY / STEP_MS / 1_000), dtype=np.float64)


def trace_stats(traces: Sequence[OpportunityTrace]) -> TraceStats:
    """Statistics of one trace, or of several pooled."""
    if not traces:
        raise ValueError("statistics need at least one trace")
    bins = [bins_of(trace) for trace in traces]
    pooled = np.concatenate(bins)
    minutes = len(pooled) / BINS_PER_S / 60
    runs = np.concatenate([outage_runs(one) for one in bins])
    seconds = [one[: len(one) // BINS_PER_S * BINS_PER_S].reshape(-1, BINS_PER_S) for one in bins]
    levels = [_milliseconds(trace) for trace in traces]
    means = [float(one.mean()) for one in bins]
    return TraceStats(
        traces=len(traces),
        seconds=sum(trace.period_ms for trace in traces) / 1_000,
        mean=float(pooled.mean()),
        mean_min=min(means),
        mean_max=max(means),
        cv=_cv(pooled),
        cv_mean=float(np.mean([_cv(one) for one in bins])),
        quantiles=_percentiles(pooled, QUANTILES),
        at_cap=float((pooled == pooled.max()).mean()),
        autocorrelation=_weighted_autocorrelation(bins),
        log_autocorrelation=_weighted_autocorrelation([np.log10(np.maximum(one, LOG_FLOOR_MBPS)) for one in bins]),
        outage_share=float((pooled < OUTAGE_MBPS).mean()),
        empty_share=float((pooled == 0).mean()),
        outages=Spread(len(runs) / minutes, _percentiles(runs / BINS_PER_S, SPREAD)),
        long_outages_per_minute=float((runs >= HALF_SECOND).sum() / minutes),
        drops=_spread([drop for one in bins for drop in drops(one)], minutes),
        sustained_drops=_spread([drop for one in bins for drop in sustained_drops(one)], minutes),
        cv_of_seconds=float(np.mean([_cv(one.mean(axis=1)) for one in seconds if len(one)] or [0.0])),
        cv_in_second=_percentiles(_cv_in_seconds(np.concatenate(seconds)), (25, 50, 75)),
        per_millisecond=_percentiles(np.concatenate([counts for counts, _ in levels]), (50, 90, 99)),
        gap_ms=_percentiles(np.concatenate([gaps for _, gaps in levels]), (50, 90, 99)),
    )


def autocorrelation(values: Bins, lag: int) -> float:
    """About the mean, over the whole variance; 0 where it is not defined."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if lag >= len(values) or power <= 1e-12 * len(values):
        return 0.0
    return float(centred[lag:] @ centred[: len(values) - lag]) / power


def outage_runs(values: Bins) -> NDArray[np.int64]:
    """Lengths, in bins, of the runs below 0.2 Mbit/s."""
    low = np.concatenate(([0], (values < OUTAGE_MBPS).astype(np.int64), [0]))
    edges = np.diff(low)
    return np.asarray(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1), dtype=np.int64)


def drops(values: Bins) -> list[float]:
    """Falls of a bin (of at least 0.2 Mbit/s) by more than half within the next 0.5 s, down to the lowest bin there.

    The search goes on from that lowest bin."""
    found: list[float] = []
    at = 0
    while at < len(values) - 1:
        after = values[at + 1 : at + 1 + HALF_SECOND]
        lowest = int(after.argmin())
        if values[at] >= OUTAGE_MBPS and after[lowest] < values[at] / 2:
            found.append(float(1 - after[lowest] / values[at]))
            at += lowest
        at += 1
    return found


def sustained_drops(values: Bins) -> list[float]:
    """Runs of moments whose next 0.5 s have less than half the mean of the last 0.5 s; the deepest fall of each."""
    if len(values) < 2 * HALF_SECOND:
        return []
    means = np.convolve(values, np.full(HALF_SECOND, 1 / HALF_SECOND), "valid")
    before, after = means[:-HALF_SECOND], means[HALF_SECOND:]
    found: list[float] = []
    deepest = 0.0
    for old, new in zip(before, after, strict=True):
        fall = 1 - new / old if old >= OUTAGE_MBPS else 0.0
        if fall > 0.5:
            deepest = max(deepest, float(fall))
        elif deepest:
            found.append(deepest)
            deepest = 0.0
    return [*found, deepest] if deepest else found


def capped(traces: Sequence[OpportunityTrace], max_mbps: float) -> list[OpportunityTrace]:
    return [cap(trace, round(max_mbps * 1e6)) for trace in traces]


def _weighted_autocorrelation(series: Sequence[Bins]) -> tuple[float, ...]:
    weights = [len(one) for one in series]
    return tuple(
        float(np.average([autocorrelation(one, round(lag_s * BINS_PER_S)) for one in series], weights=weights))
        for lag_s in LAGS_S
    )


def _cv(values: Bins) -> float:
    mean = float(values.mean())
    return float(values.std()) / mean if mean else 0.0


def _cv_in_seconds(seconds: Bins) -> Bins:  # (n, 10)
    means = seconds.mean(axis=1)
    busy = means >= OUTAGE_MBPS
    return np.asarray(seconds[busy].std(axis=1) / means[busy], dtype=np.float64)


def _milliseconds(trace: OpportunityTrace) -> tuple[Bins, Bins]:
    """Opportunities in each non-empty millisecond, and the gaps between those."""
    at_ms, counts = np.unique(np.asarray(trace.times_ms, dtype=np.int64), return_counts=True)
    return counts.astype(np.float64), np.diff(at_ms).astype(np.float64)


def _percentiles(values: Bins, at: Sequence[int]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.percentile(values, at)) if len(values) else ()


def _spread(sizes: Sequence[float], minutes: float) -> Spread:
    return Spread(len(sizes) / minutes, _percentiles(np.asarray(sizes, dtype=np.float64), SPREAD))
