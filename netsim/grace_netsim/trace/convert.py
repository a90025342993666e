"""From opportunities to rates and back, cutting and capping. Exact integer arithmetic; reads no files."""

from __future__ import annotations

from bisect import bisect_right
from math import ceil

from grace_netsim.errors import TraceError
from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES, OpportunityTrace
from grace_netsim.trace.rates import STEP_US, RateSeries, ServiceCurve

STEP_MS = STEP_US // 1_000
BITS_PER_OPPORTUNITY = OPPORTUNITY_BYTES * 8
MAX_OPPORTUNITIES = 20_000_000


def to_opportunities(series: RateSeries) -> OpportunityTrace:
    """Opportunity k comes at the millisecond in which k·1504 bytes have been offered, the last one at the end."""
    curve = ServiceCurve(series, repeat=False)
    total = curve.offered(series.duration_us) // (BITS_PER_OPPORTUNITY * 1_000_000)
    if total > MAX_OPPORTUNITIES:
        raise TraceError(f"{total} delivery opportunities are more than {MAX_OPPORTUNITIES}; cut the trace")
    if total == 0:
        raise TraceError(f"the rates do not add up to one packet of {OPPORTUNITY_BYTES} bytes; use a longer trace")
    due_us = (curve.reached_us(k * BITS_PER_OPPORTUNITY * 1_000_000) for k in range(1, total + 1))
    return ending_at([-(-at_us // 1_000) for at_us in due_us], -(-series.duration_us // 1_000))


def to_rates(trace: OpportunityTrace, step_ms: int = STEP_MS) -> RateSeries:
    """Opportunities counted in (i·step, (i+1)·step]; a last, partial step has the rate of its part."""
    steps = ceil(trace.period_ms / step_ms)
    counts = [0] * steps
    for at_ms in trace.times_ms:
        counts[max(0, at_ms - 1) // step_ms] += 1
    rates = [round(count * BITS_PER_OPPORTUNITY * 1_000 / step_ms) for count in counts]
    last_ms = trace.period_ms - (steps - 1) * step_ms
    rates[-1] = round(counts[-1] * BITS_PER_OPPORTUNITY * 1_000 / last_ms)
    return RateSeries(tuple(rates), step_ms * 1_000)


def crop(trace: OpportunityTrace, start_ms: int, duration_ms: int) -> OpportunityTrace:
    """What lies in (start, start + duration], from 0 on. The last opportunity moves to the end, to keep the period."""
    if not 0 <= start_ms < trace.period_ms:
        raise TraceError(f"a cut from {start_ms / 1e3:g} s of a trace of {trace.period_ms / 1e3:g} s; start within it")
    if duration_ms <= 0:
        raise TraceError(f"a cut of {duration_ms / 1e3:g} s holds nothing; cut a longer piece")
    end_ms = start_ms + duration_ms
    if end_ms > trace.period_ms:
        raise TraceError(
            f"the cut ends at {end_ms / 1e3:g} s, but the trace lasts {trace.period_ms / 1e3:g} s; cut a shorter piece"
        )
    first = bisect_right(trace.times_ms, start_ms) if start_ms else 0
    times = trace.times_ms[first : bisect_right(trace.times_ms, end_ms)]
    if not times:
        raise TraceError(f"no opportunity from {start_ms / 1e3:g} s to {end_ms / 1e3:g} s; cut elsewhere")
    return ending_at([at_ms - start_ms for at_ms in times], duration_ms)


def cap(trace: OpportunityTrace, max_bps: int, step_ms: int = STEP_MS) -> OpportunityTrace:
    """Thin every step to at most `max_bps`, evenly: of n opportunities m stay, the ones at floor(i·n/m)."""
    most = max_bps * step_ms // (BITS_PER_OPPORTUNITY * 1_000)
    if most < 1:
        raise TraceError(f"a cap of {max_bps} bit/s is below one packet in {step_ms} ms; use a higher cap")
    kept: list[int] = []
    times, begin = trace.times_ms, 0
    for step in range(ceil(trace.period_ms / step_ms)):
        end = bisect_right(times, (step + 1) * step_ms, lo=begin)
        count = end - begin
        kept.extend(times[begin:end] if count <= most else (times[begin + i * count // most] for i in range(most)))
        begin = end
    return ending_at(kept, trace.period_ms)


def ending_at(times_ms: list[int], end_ms: int) -> OpportunityTrace:
    """The last time is the period of a mahimahi trace, so the last opportunity stands there."""
    times_ms[-1] = end_ms
    return OpportunityTrace(tuple(times_ms))
