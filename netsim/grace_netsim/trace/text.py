"""Lines of a trace file and the numbers in them, bounded and strict. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grace_netsim.errors import TraceError

MAX_FILE_BYTES = 32 << 20  # the largest of mahimahi's own traces has 12 MB
MAX_LINE_BYTES = 64
MAX_TIME_MS = 31 * 86_400_000  # a month
MAX_RATE_BPS = 100_000_000_000  # 100 Gbit/s


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, and where it stands."""

    text: str
    source: str
    number: int

    def error(self, what: str, advice: str) -> TraceError:
        return TraceError(f"{self.source}:{self.number}: {what}; {advice}")


def lines_of(data: bytes, source: str) -> Iterator[Line]:
    """Lines of printable ASCII; CRLF is taken. An empty file, an empty line or anything binary is an error."""
    if not data:
        raise TraceError(f"{source}: the file is empty; a trace has one entry per line")
    rows = data.split(b"\n")
    if not rows[-1]:
        rows.pop()  # the newline that ends the last line
    for number, row in enumerate(rows, start=1):
        text = row.removesuffix(b"\r").decode("latin-1")
        line = Line(text, source, number)
        if len(text) > MAX_LINE_BYTES:
            raise line.error(f"{len(text)} bytes in one line", "is this a trace file?")
        if not text:
            raise line.error("empty line", "remove it")
        if not (text.isascii() and text.replace("\t", " ").isprintable()):
            raise line.error("not text", "is this a trace file?")
        yield line


def parse_milliseconds(line: Line) -> int:
    if not line.text.isdigit():
        raise line.error(f"{line.text!r} is no whole number of milliseconds", "write digits only")
    at_ms = int(line.text)
    if at_ms > MAX_TIME_MS:
        raise line.error(f"{line.text} ms is more than a month", "are these milliseconds from the start?")
    return at_ms


def parse_seconds(line: Line, field: str) -> int:
    """Microseconds."""
    seconds = _decimal(line, field, "seconds")
    if seconds * 1_000 > MAX_TIME_MS:
        raise line.error(f"{field} s is more than a month", "are these seconds from the start?")
    return round(seconds * 1_000_000)


def parse_mbps(line: Line, field: str) -> int:
    """bit/s."""
    rate_bps = round(_decimal(line, field, "Mbit/s") * 1_000_000)
    if rate_bps > MAX_RATE_BPS:
        raise line.error(f"{field} Mbit/s is above {MAX_RATE_BPS // 10**6}", "are these Mbit/s?")
    return rate_bps


def parse_probability(line: Line, field: str) -> float:
    value = _decimal(line, field, "loss")
    if value > 1:
        raise line.error(f"a loss of {field} is above 1", "write shares, not percent")
    return value


def _decimal(line: Line, field: str, unit: str) -> float:
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
