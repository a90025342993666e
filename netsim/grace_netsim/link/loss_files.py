"""Recorded loss from files, as stages for a link: a pattern per packet, or a loss rate over time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grace_netsim.link.stages import LossPattern, LossRates
from grace_netsim.trace.files import read_bounded
from grace_netsim.trace.text import Line, lines_of, parse_probability, parse_seconds

LOSS_HEADER = "seconds,loss"


def read_loss(path: Path) -> LossPattern | LossRates:
    """A file of recorded loss in either form; TraceError with file and line if it is neither."""
    return parse_loss(read_bounded(path), str(path))


def parse_loss(data: bytes, source: str) -> LossPattern | LossRates:
    """`seconds,loss` rows on an even grid (LossRates), or a digit per line and packet, 1 if lost (LossPattern)."""
    lines = lines_of(data, source)
    first = next(lines)
    if first.text.strip().lower() == LOSS_HEADER:
        return _loss_rates(first, lines)
    return LossPattern((_is_lost(first), *map(_is_lost, lines)))


def _is_lost(line: Line) -> bool:
    if line.text not in ("0", "1"):
        raise line.error(f"{line.text!r} is neither 0 nor 1", f"write 1 for lost, or begin with {LOSS_HEADER!r}")
    return line.text == "1"


def _loss_rates(header: Line, lines: Iterator[Line]) -> LossRates:
    starts_us: list[int] = []
    rates: list[float] = []
    for line in lines:
        fields = line.text.split(",")
        if len(fields) != 2:
            raise line.error(f"{len(fields)} fields instead of 2", "a row is: seconds, comma, share of packets lost")
        starts_us.append(parse_seconds(line, fields[0].strip()))
        rates.append(parse_probability(line, fields[1].strip()))
        step_us = starts_us[-1] - starts_us[max(0, len(starts_us) - 2)]
        if len(starts_us) > 1 and (step_us <= 0 or step_us != starts_us[1] - starts_us[0]):
            raise line.error("the step changes", "use one even step, forwards")
    if len(rates) < 2:
        raise header.error("too few rows to tell the step", "add rows of: seconds, comma, share of packets lost")
    return LossRates(tuple(rates), starts_us[1] - starts_us[0])
