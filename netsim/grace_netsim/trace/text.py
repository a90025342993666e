"""Lines of a trace file, the numbers in them and the series they make: bounded and strict. Knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grace_netsim.errors import TraceError
from grace_netsim.trace.rates import RateSeries

MAX_FILE_BYTES = 32 << 20  # the largest of mahimahi's own traces has 12 MB
MAX_LINE_BYTES = 64
MAX_TIME_MS = 31 * 86_400_000  # a month
MAX_RATE_BPS = 100_000_000_000  # 100 Gbit/s
MAX_STEPS = 1_000_000  # of a rate series: more than a day in 100 ms steps
UNIX_S = 1e9  # a first time above it (September 2001) counts from 1970; no trace lasts so long
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, and where it stands."""

    text: str
    source: str
    number: int

    def error(self, what: str, advice: str) -> TraceError:
        return TraceError(f"{self.source}:{self.number}: {what}; {advice}")


def lines_of(data: bytes, source: str, most_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """Lines of printable ASCII. A byte order mark, CRLF, and lines that begin with # are passed over.

    An empty file, an empty line, or anything binary is an error."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TraceError(f"{source}: UTF-16 text, by its byte order mark; save it as UTF-8")
    data = data.removeprefix(BYTE_ORDER_MARK)
    if not data:
        raise TraceError(f"{source}: the file is empty; a trace has one entry per line")
    rows = data.split(b"\n")
    if not rows[-1]:
        rows.pop()  # the newline that ends the last line
    for number, row in enumerate(rows, start=1):
        text = row.removesuffix(b"\r").decode("latin-1")
        line = Line(text, source, number)
        if text.startswith("#"):
            continue
        if len(text) > most_bytes:
            raise line.error(f"{len(text)} bytes in one line", "is this a trace file?")
        if not text:
            raise line.error("empty line", "remove it")
        if not (text.isascii() and text.replace("\t", " ").isprintable()):
            raise line.error("not text", "is this a trace file?")
        yield line


def parse_milliseconds(line: Line, origin_ms: int = 0) -> int:
    if not line.text.isdigit():
        raise line.error(f"{line.text!r} is no whole number of milliseconds", "write digits only")
    at_ms = int(line.text) - origin_ms
    if at_ms < 0:
        raise line.error(f"{line.text} ms is before the first time", "sort the file")
    if at_ms > MAX_TIME_MS:
        raise line.error(f"{line.text} ms is more than a month", "are these milliseconds from the start?")
    return at_ms


def parse_seconds(line: Line, field: str, unit_s: float = 1.0, origin: float = 0.0) -> int:
    """Microseconds since `origin`, which is in the unit of the field (`unit_s` seconds)."""
    seconds = (parse_decimal(line, field, "seconds") - origin) * unit_s
    if seconds < 0:
        raise line.error(f"{field} is before the first time", "sort the file")
    if seconds * 1_000 > MAX_TIME_MS:
        raise line.error(f"{field} s is more than a month", "are these seconds from the start?")
    return round(seconds * 1_000_000)


def parse_mbps(line: Line, field: str) -> int:
    """bit/s."""
    rate_bps = round(parse_decimal(line, field, "Mbit/s") * 1_000_000)
    if rate_bps > MAX_RATE_BPS:
        raise line.error(f"{field} Mbit/s is above {MAX_RATE_BPS // 10**6}", "are these Mbit/s?")
    return rate_bps


def parse_probability(line: Line, field: str) -> float:
    value = parse_decimal(line, field, "loss")
    if value > 1:
        raise line.error(f"a loss of {field} is above 1", "write shares, not percent")
    return value


def parse_decimal(line: Line, field: str, unit: str) -> float:
    """Plain decimal notation with an optional exponent, not negative; nan, inf and underscores are refused."""
    if not field or not set(field) <= set("0123456789.eE+-"):
        raise line.error(f"{field!r} is no number of {unit}", "write a decimal number")
    try:
        value = float(field)
    except ValueError:
        raise line.error(f"{field!r} is no number of {unit}", "write a decimal number") from None
    if not 0 <= value < 1e15:
        raise line.error(f"{field} {unit} is out of range", "it must be 0 or more")
    return value


def resampled(bounds_us: list[int], rates_bps: list[int], step_us: int) -> Iterator[int]:
    """Mean rate over each step from the first bound to the last; a last, partial step has the mean of its part."""
    end_us = bounds_us[-1]
    row = 0
    for begin_us in range(bounds_us[0], end_us, step_us):
        stop_us = min(begin_us + step_us, end_us)
        microbits, at_us = 0, begin_us
        while at_us < stop_us:
            until_us = min(bounds_us[row + 1], stop_us)
            microbits += rates_bps[row] * (until_us - at_us)
            at_us = until_us
            if at_us == bounds_us[row + 1]:
                row += 1
        yield round(microbits / (stop_us - begin_us))


def series_of(rates_bps: Iterable[int], step_us: int, source: str) -> RateSeries:
    """A bounded series in which something can leave."""
    rates: list[int] = []
    for rate in rates_bps:
        rates.append(rate)
        if len(rates) > MAX_STEPS:
            raise TraceError(f"{source}: more than {MAX_STEPS} steps; cut the file")
    if not any(rates):
        raise TraceError(f"{source}: all rates are 0; nothing could ever leave such a link")
    return RateSeries(tuple(rates), step_us)
