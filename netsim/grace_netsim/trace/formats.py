"""The text formats of traces: mahimahi opportunities, `seconds Mbit/s` steps, rate series. Knows no files, only bytes.

Every error names its source and line; sizes, times and rates are bounded, since a file may come from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import le
from types import MappingProxyType
from typing import Final, Literal

from grace_netsim.errors import TraceError
from grace_netsim.trace.foreign import (
    CSV_HEADER,
    FOREIGN,
    PCAP_MAGICS,
    PCAPNG_MAGIC,
    Parser,
    held_rates,
    parse_csv,
)
from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES, OpportunityTrace
from grace_netsim.trace.rates import STEP_US, RateSeries
from grace_netsim.trace.text import (
    BYTE_ORDER_MARK,
    MAX_TIME_MS,
    UNIX_S,
    lines_of,
    parse_decimal,
    parse_mbps,
    parse_milliseconds,
    parse_seconds,
    series_of,
)

Trace = OpportunityTrace | RateSeries


def parse_mahimahi(data: bytes, source: str) -> OpportunityTrace:
    """One integer of milliseconds per line, not decreasing, the last above 0 (mm-link's own rules).

    Unix times, as a log of packets has them, count from the first one."""
    if (flawless := _flawless_times(data)) is not None:
        return OpportunityTrace(flawless)
    times: list[int] = []
    last = 0
    origin_ms: int | None = None
    for line in lines_of(data, source):
        if origin_ms is None:
            origin_ms = int(line.text) if line.text.isdigit() and int(line.text) > UNIX_S * 1000 else 0
        at_ms = parse_milliseconds(line, origin_ms)
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

    Returned in steps of 100 ms, each with the mean rate over it. Time counts from the first line, Unix times too."""
    times_us: list[int] = []
    rates_bps: list[int] = []
    origin: float | None = None
    for line in lines_of(data, source):
        fields = line.text.split()
        if len(fields) != 2:
            raise line.error(f"{len(fields)} fields instead of 2", "a line is: seconds, blank, Mbit/s")
        if origin is None:
            first_s = parse_decimal(line, fields[0], "seconds")
            origin = first_s if first_s > UNIX_S else 0.0
        at_us = parse_seconds(line, fields[0], 1.0, origin)
        if times_us and at_us <= times_us[-1]:
            raise line.error(f"the time does not increase: {fields[0]} s", "sort the file and drop doubles")
        times_us.append(at_us)
        rates_bps.append(parse_mbps(line, fields[1]))
    if len(times_us) < 2:
        raise TraceError(f"{source}:1: one line alone says no duration; add a second one")
    return held_rates(times_us, rates_bps, source)


def parse_rates(data: bytes, source: str) -> RateSeries:
    """One Mbit/s figure per line, each for 100 ms."""
    return series_of((parse_mbps(line, line.text.strip()) for line in lines_of(data, source)), STEP_US, source)


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


READERS: Mapping[str, Parser] = MappingProxyType({name: form.parse for name, form in FORMATS.items()} | FOREIGN)
"""Every format that can be read, by the name that `--from` takes."""

_SURE_SUFFIXES: Final = {suffix: name for name, form in FORMATS.items() for suffix in form.suffixes if suffix != ".txt"}
_LOOKED_AT: Final = 1000  # lines
_LOOKED_AT_BYTES: Final = 1 << 16
_TIMES_AT_LEAST: Final = 10  # numbers with decimals that only rise: times rather than rates, or neither for certain


def guess_format(data: bytes, suffix: str) -> str:
    """By suffix where it says enough, else by the first line; anything unknown is taken for a mahimahi file."""
    first = _entries(data[:200])[:1]
    if suffix in _SURE_SUFFIXES:
        return _SURE_SUFFIXES[suffix]
    if first and "," in first[0]:
        return "csv"
    return "steps" if first and len(first[0].split()) == 2 else "mahimahi"


def recognised_format(data: bytes, suffix: str, source: str) -> str:
    """The format of a file by its content, and by its suffix where that says it. TraceError where two fit."""
    if data[:4] in PCAP_MAGICS or data[:4] == PCAPNG_MAGIC:
        return "pcap"
    if suffix in _SURE_SUFFIXES and suffix != ".csv":
        return _SURE_SUFFIXES[suffix]
    entries = _entries(data)
    if data.lstrip()[:1] == b"{" or any("bits/sec" in entry for entry in entries[:50]) or _is_iperf2(entries):
        return "iperf"
    plain = guess_format(data, suffix)
    if plain != "mahimahi" or not suffix or not entries:  # traces of mahimahi's own have no suffix
        return plain
    return _of_one_column(entries, source)


def _of_one_column(entries: list[str], source: str) -> str:
    """Milliseconds, rates or times."""
    try:
        values = [float(entry) for entry in entries]
    except ValueError:
        return "mahimahi"  # whose parser says what is wrong, and where
    rising = all(map(le, values, values[1:]))
    whole = all(entry.strip().isdigit() for entry in entries)
    if values[0] > UNIX_S and not (whole and values[0] > UNIX_S * 1000):
        return "times"
    if whole and rising and values[-1] >= 1000:
        return "mahimahi"
    if not whole and not (rising and len(values) >= _TIMES_AT_LEAST):
        return "rates"
    as_rates = f"rates of {min(values):g} to {max(values):g} Mbit/s in steps of 100 ms (--from rates)"
    if whole and rising:
        other = f"a mahimahi trace of {values[-1]:g} ms (--from mahimahi)"
    elif whole:
        other = "a mahimahi trace whose times go back, which is none"
    else:
        other = f"times of packets up to {values[-1]:g} s (--from times)"
    raise TraceError(f"{source}: may be {as_rates}, or {other}; say which")


def _entries(data: bytes) -> list[str]:
    """Lines that are no comments, at most so many as are looked at."""
    text = data[:_LOOKED_AT_BYTES].removeprefix(BYTE_ORDER_MARK).decode("latin-1")
    if len(data) > _LOOKED_AT_BYTES:
        text = text.rpartition("\n")[0]  # the last line is cut
    lines = (line.strip() for line in text.split("\n", _LOOKED_AT)[:_LOOKED_AT])
    return [line for line in lines if line and not line.startswith("#")]


def _is_iperf2(entries: list[str]) -> bool:
    fields = entries[0].split(",") if entries else []
    return len(fields) >= 9 and fields[0].isdigit() and "-" in fields[6]


def described(trace: Trace, form: str, data: bytes) -> str:
    """For people: how a file was read, with unit, step, length and mean."""
    unix = bool(entries := _entries(data[:400])) and entries[0].replace(".", "").replace(",", " ").split()[0].isdigit()
    since = ", Unix times" if unix and float(re.split(r"[,\s]", entries[0])[0]) > UNIX_S else ""
    read_as = {
        "mahimahi": "mahimahi (milliseconds, 1504 bytes each)",
        "steps": "seconds and Mbit/s",
        "rates": "Mbit/s",
        "csv": f"csv ({entries[0]})" if entries else "csv",
        "times": "times of packets in seconds (1504 bytes each)",
        "iperf": "an iperf log",
        "pcap": "a packet capture",
    }[form]
    if isinstance(trace, OpportunityTrace):
        mean_mbps = len(trace.times_ms) * OPPORTUNITY_BYTES * 8 / trace.period_ms / 1000
        return f"read as {read_as}{since}: {trace.period_ms / 1000:g} s, mean {mean_mbps:.3g} Mbit/s"
    mean_mbps = sum(trace.rates_bps) / len(trace.rates_bps) / 1e6
    step_ms = trace.step_us / 1000
    return (
        f"read as {read_as}{since}, steps of {step_ms:g} ms: {trace.duration_us / 1e6:g} s, mean {mean_mbps:.3g} Mbit/s"
    )
