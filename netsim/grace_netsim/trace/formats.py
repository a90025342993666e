"""The text formats of traces: mahimahi opportunities, `seconds Mbit/s` steps, rate series. Knows no files, only bytes.

Every error names its source and line; sizes, times and rates are bounded, since a file may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import le
from types import MappingProxyType
from typing import Literal

from grace_netsim.errors import TraceError
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import STEP_US, RateSeries
from grace_netsim.trace.text import MAX_TIME_MS, lines_of, parse_mbps, parse_milliseconds, parse_seconds

Trace = OpportunityTrace | RateSeries

CSV_HEADER = "seconds,mbps"
MAX_STEPS = 1_000_000  # of a rate series: more than a day in 100 ms steps


def parse_mahimahi(data: bytes, source: str) -> OpportunityTrace:
    """One integer of milliseconds per line, not decreasing, the last above 0 (mm-link's own rules)."""
    if (flawless := _flawless_times(data)) is not None:
        return OpportunityTrace(flawless)
    times: list[int] = []
    last = 0
    for line in lines_of(data, source):
        at_ms = parse_milliseconds(line)
        if at_ms < last:
            raise line.error(f"time goes back from {last} to {at_ms} ms", "sort the file, or cut it here")
        times.append(at_ms)
        last = at_ms
    if last == 0:
        raise TraceError(f"{source}:{len(times)}: the last time is 0 ms; a trace must last some time")
    return OpportunityTrace(tuple(times))


def _flawless_times(data: bytes) -> tuple[int, ...] | None:
    """Ten times faster than line by line, but cannot say what is wrong: None if anything is, or is only unusual."""
    rows = data.removesuffix(b"\n").split(b"\n")
    if not all(map(bytes.isdigit, rows)) or max(map(len, rows)) > len(str(MAX_TIME_MS)):
        return None
    times = tuple(map(int, rows))
    in_order = all(map(le, times, islice(times, 1, None)))
    return times if in_order and 0 < times[-1] <= MAX_TIME_MS else None


def parse_steps(data: bytes, source: str) -> RateSeries:
    """`seconds Mbit/s` per line (FCC, Pensieve): a rate holds to the next line; the last as long as the one before.

    Returned in steps of 100 ms, each with the mean rate over it. Time counts from the first line."""
    bounds_us: list[int] = []
    rates_bps: list[int] = []
    for line in lines_of(data, source):
        fields = line.text.split()
        if len(fields) != 2:
            raise line.error(f"{len(fields)} fields instead of 2", "a line is: seconds, blank, Mbit/s")
        at_us = parse_seconds(line, fields[0])
        if bounds_us and at_us <= bounds_us[-1]:
            raise line.error(f"the time does not increase: {fields[0]} s", "sort the file and drop doubles")
        bounds_us.append(at_us)
        rates_bps.append(parse_mbps(line, fields[1]))
    if len(bounds_us) < 2:
        raise TraceError(f"{source}:1: one line alone says no duration; add a second one")
    bounds_us.append(2 * bounds_us[-1] - bounds_us[-2])
    if bounds_us[-1] - bounds_us[0] > MAX_STEPS * STEP_US:
        raise TraceError(f"{source}: lasts longer than a day; cut the file")
    return _series(_resampled(bounds_us, rates_bps), STEP_US, source)


def _resampled(bounds_us: list[int], rates_bps: list[int]) -> Iterator[int]:
    """Mean rate over each 100 ms from the first bound to the last; a last, partial step has the mean of its part."""
    end_us = bounds_us[-1]
    row = 0
    for step_us in range(bounds_us[0], end_us, STEP_US):
        stop_us = min(step_us + STEP_US, end_us)
        microbits, at_us = 0, step_us
        while at_us < stop_us:
            until_us = min(bounds_us[row + 1], stop_us)
            microbits += rates_bps[row] * (until_us - at_us)
            at_us = until_us
            if at_us == bounds_us[row + 1]:
                row += 1
        yield round(microbits / (stop_us - step_us))


def parse_csv(data: bytes, source: str) -> RateSeries:
    """Header `seconds,mbps`, then rows on an even grid, which gives the step; a single row stands for 100 ms."""
    lines = lines_of(data, source)
    header = next(lines)
    if header.text.strip().lower() != CSV_HEADER:
        raise header.error(f"the header is not {CSV_HEADER!r}", "name the two columns so")
    starts_us: list[int] = []
    rates_bps: list[int] = []
    for line in lines:
        fields = line.text.split(",")
        if len(fields) != 2:
            raise line.error(f"{len(fields)} fields instead of 2", "a row is: seconds, comma, Mbit/s")
        starts_us.append(parse_seconds(line, fields[0].strip()))
        rates_bps.append(parse_mbps(line, fields[1].strip()))
        if len(starts_us) == 2 and starts_us[1] <= starts_us[0]:
            raise line.error("the time does not increase", "give each row a later time")
        if len(starts_us) > 2 and starts_us[-1] - starts_us[-2] != starts_us[1] - starts_us[0]:
            raise line.error("the step changes", "use one even step, or the format `seconds Mbit/s`")
    if not rates_bps:
        raise TraceError(f"{source}:2: no row after the header; add rows of: seconds, comma, Mbit/s")
    step_us = starts_us[1] - starts_us[0] if len(starts_us) > 1 else STEP_US
    return _series(iter(rates_bps), step_us, source)


def parse_rates(data: bytes, source: str) -> RateSeries:
    """One Mbit/s figure per line, each for 100 ms."""
    return _series((parse_mbps(line, line.text.strip()) for line in lines_of(data, source)), STEP_US, source)


def _series(rates_bps: Iterator[int], step_us: int, source: str) -> RateSeries:
    rates: list[int] = []
    for rate in rates_bps:
        rates.append(rate)
        if len(rates) > MAX_STEPS:
            raise TraceError(f"{source}: more than {MAX_STEPS} steps; cut the file")
    if not any(rates):
        raise TraceError(f"{source}: all rates are 0; nothing could ever leave such a link")
    return RateSeries(tuple(rates), step_us)


def format_mahimahi(trace: OpportunityTrace) -> str:
    return "".join(f"{at_ms}\n" for at_ms in trace.times_ms)


def format_csv(series: RateSeries) -> str:
    rows = (f"{_seconds(i * series.step_us)},{_mbps(rate)}\n" for i, rate in enumerate(series.rates_bps))
    return f"{CSV_HEADER}\n" + "".join(rows)


def format_rates(series: RateSeries) -> str:
    """The plain form has no place for another step than 100 ms: TraceError."""
    if series.step_us != STEP_US:
        raise TraceError(f"a plain rate series has steps of 100 ms, not {series.step_us} µs; write csv instead")
    return "".join(f"{_mbps(rate)}\n" for rate in series.rates_bps)


def format_steps(series: RateSeries) -> str:
    """`seconds Mbit/s`: lines where the rate changes, and the last two steps, which give the length."""
    rates = series.rates_bps
    if len(rates) == 1:
        return f"0\t{_mbps(rates[0])}\n{_seconds(series.step_us // 2)}\t{_mbps(rates[0])}\n"
    lines: list[str] = []
    for i, rate in enumerate(rates):
        if i == 0 or rate != rates[i - 1] or i >= len(rates) - 2:
            lines.append(f"{_seconds(i * series.step_us)}\t{_mbps(rate)}\n")
    return "".join(lines)


def _seconds(at_us: int) -> str:
    return _trimmed(f"{at_us // 1_000_000}.{at_us % 1_000_000:06}")


def _mbps(rate_bps: int) -> str:
    return _trimmed(f"{rate_bps // 1_000_000}.{rate_bps % 1_000_000:06}")


def _trimmed(decimal: str) -> str:
    return decimal.rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class OpportunityFormat:
    """A text format of delivery opportunities."""

    parse: Callable[[bytes, str], OpportunityTrace]
    format: Callable[[OpportunityTrace], str]
    suffixes: tuple[str, ...]
    kind: Literal["opportunities"] = "opportunities"


@dataclass(frozen=True, slots=True)
class RateFormat:
    """A text format of rates in steps."""

    parse: Callable[[bytes, str], RateSeries]
    format: Callable[[RateSeries], str]
    suffixes: tuple[str, ...]
    kind: Literal["rates"] = "rates"


FORMATS: Mapping[str, OpportunityFormat | RateFormat] = MappingProxyType(
    {
        "mahimahi": OpportunityFormat(parse_mahimahi, format_mahimahi, (".mahi", ".down", ".up")),
        "steps": RateFormat(parse_steps, format_steps, (".txt",)),
        "csv": RateFormat(parse_csv, format_csv, (".csv",)),
        "rates": RateFormat(parse_rates, format_rates, (".rates",)),
    }
)


def guess_format(data: bytes, suffix: str) -> str:
    """By suffix where it says enough, else by the first line; anything unknown is taken for a mahimahi file."""
    first = data[:200].split(b"\n", 1)[0].strip()
    if suffix != ".txt":
        for name, form in FORMATS.items():
            if suffix in form.suffixes:
                return name
    if b"," in first:
        return "csv"
    return "steps" if len(first.split()) == 2 else "mahimahi"
