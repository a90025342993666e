"""What other tools leave behind, as traces: csv tables with units, iperf logs, packet captures, lists of packet times.

Each parser takes the bytes of a file and its name for errors; none guesses a unit that the file does not state.
"""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from grace_netsim.errors import TraceError
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import STEP_US, RateSeries
from grace_netsim.trace.text import (
    MAX_RATE_BPS,
    MAX_STEPS,
    UNIX_S,
    Line,
    lines_of,
    parse_decimal,
    parse_seconds,
    resampled,
    series_of,
)

CSV_HEADER: Final = "seconds,mbps"
MAX_CSV_LINE_BYTES: Final = 1024
PCAP_MAGICS: Final = {b"\xa1\xb2\xc3\xd4": (">", 1), b"\xd4\xc3\xb2\xa1": ("<", 1),
                      b"\xa1\xb2\x3c\x4d": (">", 1000), b"\x4d\x3c\xb2\xa1": ("<", 1000)}  # fmt: skip
"""Of libpcap's classic format: byte order, and how many units of the fraction are a microsecond."""

PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"

_TIME_UNITS: Final = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
                      "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6}  # fmt: skip
_RATE_UNITS: Final = {"gbps": 1e9, "gbits": 1e9, "mbps": 1e6, "mbits": 1e6, "megabits": 1e6, "kbps": 1e3, "kbits": 1e3,
                      "kilobits": 1e3, "bps": 1.0, "bits": 1.0}  # fmt: skip
_TIME_NAME: Final = re.compile(r"(timestamp|elapsed|start|time|at|ts|t)?[\s_(\[]*([a-z]*)[)\]]*")
_IPERF_LINE: Final = re.compile(r"([0-9.]+)-\s*([0-9.]+)\s+sec\b.*?([0-9.]+)\s+([KMG]?)bits/sec")
_SCALES: Final = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}


def parse_csv(data: bytes, source: str) -> RateSeries:
    """A header that names a time and a rate with its unit, such as `seconds,mbps`, `time_ms,kbps` or
    `timestamp,bits_per_second`, then rows. Other columns are passed over; Unix times count from the first row.

    An even grid gives the step; otherwise a rate holds to the next row, in steps of 100 ms. One row alone stands for
    100 ms."""
    lines = lines_of(data.rstrip(), source, MAX_CSV_LINE_BYTES)
    header = next(lines, None)
    if header is None:
        raise TraceError(f"{source}: no header and no rows; the header is {CSV_HEADER!r}, or of that kind")
    names = [name.strip().strip('"').lower() for name in header.text.split(",")]
    time_at, time_unit = _time_column(names, header)
    rate_at, rate_unit = _rate_column(names, header)
    times_us: list[int] = []
    rates_bps: list[int] = []
    origin = 0.0
    for line in lines:
        fields = [field.strip().strip('"') for field in line.text.split(",")]
        if len(fields) != len(names):
            raise line.error(f"{len(fields)} fields instead of {len(names)}", "a row has a field for each column")
        if not times_us:
            first = parse_decimal(line, fields[time_at], "seconds")
            origin = first if first * time_unit > UNIX_S else 0.0
        times_us.append(parse_seconds(line, fields[time_at], time_unit, origin))
        rates_bps.append(_rate(line, fields[rate_at], rate_unit))
        if len(times_us) > 1 and times_us[-1] <= times_us[-2]:
            raise line.error("the time does not increase", "give each row a later time")
    if not rates_bps:
        raise TraceError(f"{source}:2: no row after the header; add rows of: {header.text}")
    steps = {later - earlier for earlier, later in pairwise(times_us)}
    if len(steps) > 1:
        return held_rates(times_us, rates_bps, source)
    return series_of(iter(rates_bps), steps.pop() if steps else STEP_US, source)


def held_rates(times_us: list[int], rates_bps: list[int], source: str) -> RateSeries:
    """Each rate holds to the next time, the last one as long as the one before; in steps of 100 ms with mean rates."""
    bounds_us = [*times_us, 2 * times_us[-1] - times_us[-2]]
    if bounds_us[-1] - bounds_us[0] > MAX_STEPS * STEP_US:
        raise TraceError(f"{source}: lasts longer than a day; cut the file")
    return series_of(resampled(bounds_us, rates_bps, STEP_US), STEP_US, source)


def parse_times(data: bytes, source: str) -> OpportunityTrace:
    """Seconds at which packets of 1504 bytes left, one per line; Unix times count from the first one."""
    times_ms: list[int] = []
    origin: float | None = None
    for line in lines_of(data, source):
        at_s = parse_decimal(line, line.text.strip(), "seconds")
        origin = (at_s if at_s > UNIX_S else 0.0) if origin is None else origin
        at_ms = parse_seconds(line, line.text.strip(), 1.0, origin) // 1000
        if times_ms and at_ms < times_ms[-1]:
            raise line.error("the time goes back", "sort the file, or cut it here")
        times_ms.append(at_ms)
    if not times_ms or times_ms[-1] == 0:
        raise TraceError(f"{source}:{len(times_ms)}: the last time is 0 s; a trace must last some time")
    return OpportunityTrace(tuple(times_ms))


def parse_iperf(data: bytes, source: str) -> RateSeries:
    """The log of iperf3 (-J or text) or iperf 2 (text, or -y C): the rates of its intervals, without the totals."""
    text = data.decode("utf-8", "replace")
    try:
        rows = _iperf_json(text) if text.lstrip().startswith("{") else list(_iperf_lines(text))
    except (ValueError, KeyError, TypeError) as error:
        raise TraceError(f"{source}: no iperf log ({type(error).__name__}); give one of iperf3 -J") from error
    rows = _without_totals(rows)
    if not rows:
        raise TraceError(f"{source}: no interval of a second or so in this iperf log; run iperf3 with -i 1 -J")
    times_us = [round(start * 1e6) for start, _, _ in rows]
    if any(later <= earlier for earlier, later in pairwise(times_us)):
        raise TraceError(f"{source}: intervals of several streams are mixed; give a log of one stream, or iperf3 -J")
    if max(bps for _, _, bps in rows) > MAX_RATE_BPS:
        raise TraceError(f"{source}: a rate above {MAX_RATE_BPS // 10**9} Gbit/s")
    times_us.append(round(rows[-1][1] * 1e6))
    if times_us[-1] <= times_us[-2] or times_us[-1] - times_us[0] > MAX_STEPS * STEP_US:
        raise TraceError(f"{source}: lasts longer than a day, or not at all; cut the file")
    return series_of(resampled(times_us, [round(bps) for _, _, bps in rows], STEP_US), STEP_US, source)


def parse_pcap(data: bytes, source: str) -> RateSeries:
    """A capture in libpcap's classic format: bytes of all its packets per 100 ms, headers of all layers included."""
    if data[:4] == PCAPNG_MAGIC:
        raise TraceError(f"{source}: a pcapng file; convert it: editcap -F pcap {source} OUT.pcap")
    if data[:4] not in PCAP_MAGICS or len(data) < 24:
        raise TraceError(f"{source}: no capture in libpcap's format")
    order, per_us = PCAP_MAGICS[data[:4]]
    record = struct.Struct(order + "IIII")
    counts: Counter[int] = Counter()
    first_us: int | None = None
    at = 24
    while at + record.size <= len(data):
        seconds, fraction, stored, length = record.unpack_from(data, at)
        at += record.size + stored
        at_us = seconds * 1_000_000 + fraction // per_us
        first_us = at_us if first_us is None else first_us
        step = (at_us - first_us) // STEP_US
        if not 0 <= step <= MAX_STEPS:
            raise TraceError(f"{source}: packets that are out of order, or more than a day apart; cut the capture")
        counts[step] += length
    if not counts:
        raise TraceError(f"{source}: no packet in this capture")
    rates = (counts[step] * 8 * 1_000_000 // STEP_US for step in range(max(counts) + 1))
    return series_of(rates, STEP_US, source)


# -- inside ------------------------------------------------------------------------------------------------------------


def _time_column(names: list[str], header: Line) -> tuple[int, float]:
    found = [
        (index, _TIME_UNITS[match[2]])
        for index, name in enumerate(names)
        if (match := _TIME_NAME.fullmatch(name)) and match[2] in _TIME_UNITS and name
    ]
    if not found:
        raise header.error(f"the header is not {CSV_HEADER!r}", "name the columns so: a time, a rate")
    return found[0]


def _rate_column(names: list[str], header: Line) -> tuple[int, float]:
    found = [(index, unit) for index, name in enumerate(names) if (unit := _rate_unit(name)) is not None]
    if not found:
        advice = "say the unit of the rate in its name: mbps, kbps or bps"
        raise header.error(f"the header is not {CSV_HEADER!r}, and no column has a unit", advice)
    if len(found) > 1:
        both = " and ".join(names[index] for index, _ in found[:2])
        raise header.error(f"{both} are both rates", "leave one of them")
    return found[0]


def _rate_unit(name: str) -> float | None:
    letters = re.sub(r"[^a-z]", "", name.replace("bit/s", "bps").replace("bits/s", "bps").replace("b/s", "bps"))
    return next((factor for unit, factor in _RATE_UNITS.items() if unit in letters), None)


def _rate(line: Line, field: str, unit: float) -> int:
    words = {1e9: "Gbit/s", 1e6: "Mbit/s", 1e3: "kbit/s", 1.0: "bit/s"}[unit]
    rate_bps = round(parse_decimal(line, field, words) * unit)
    if rate_bps > MAX_RATE_BPS:
        raise line.error(f"{field} {words} is above {MAX_RATE_BPS // 10**9} Gbit/s", f"is this {words}?")
    return rate_bps


def _iperf_json(text: str) -> list[tuple[float, float, float]]:
    intervals = json.loads(text)["intervals"]
    sums = [interval["sum"] for interval in intervals]
    return [(float(one["start"]), float(one["end"]), float(one["bits_per_second"])) for one in sums]


def _iperf_lines(text: str) -> Iterator[tuple[float, float, float]]:
    """Of `[SUM]` where there are such lines, else of all."""
    lines = text.splitlines()
    summed = any("[SUM]" in line for line in lines)
    for line in lines:
        fields = line.split(",")
        if len(fields) >= 9 and "-" in fields[6]:
            start, _, end = fields[6].partition("-")
            yield float(start), float(end), float(fields[8])
        elif "[SUM]" in line or not summed:
            match = _IPERF_LINE.search(line)
            if match and not line.rstrip().endswith(("sender", "receiver")):
                yield float(match[1]), float(match[2]), float(match[3]) * _SCALES[match[4]]


def _without_totals(rows: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """A last row that spans the others is their total."""
    if len(rows) > 1 and rows[-1][0] <= rows[0][0] and rows[-1][1] >= rows[-2][1]:
        return rows[:-1]
    return rows


Parser = Callable[[bytes, str], RateSeries | OpportunityTrace]
FOREIGN: Final[dict[str, Parser]] = {"times": parse_times, "iperf": parse_iperf, "pcap": parse_pcap}
"""Formats that are read and not written, by the name that `--from` takes."""
