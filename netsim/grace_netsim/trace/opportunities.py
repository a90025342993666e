"""Delivery opportunities of a trace as arithmetic: which one comes when, and how many up to a time. Reads no files."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

OPPORTUNITY_BYTES: Final = 1504
"""What one opportunity carries: an Ethernet MTU of 1500 bytes and 4 bytes of TUN header, as mahimahi counts."""


@dataclass(frozen=True, slots=True)
class OpportunityTrace:
    """One opportunity of 1504 bytes at each of `times_ms`; it repeats with base += last time (mahimahi's mm-link)."""

    times_ms: tuple[int, ...]

    def __post_init__(self) -> None:
        times = self.times_ms
        if not times:
            raise ValueError("a trace needs at least one delivery opportunity")
        if times[0] < 0:
            raise ValueError(f"a trace starts at 0 ms or later, not at {times[0]} ms")
        for position, (before, after) in enumerate(pairwise(times)):
            if after < before:
                raise ValueError(f"times decrease at opportunity {position + 1}: {before} ms, then {after} ms")
        if times[-1] == 0:
            raise ValueError("the last opportunity is at 0 ms: a trace must last some time")

    @property
    def period_ms(self) -> int:
        return self.times_ms[-1]

    @property
    def capacity_bps(self) -> float:
        """Mean rate over one round."""
        return len(self.times_ms) * OPPORTUNITY_BYTES * 8_000 / self.period_ms

    def time_us(self, index: int) -> int:
        """When opportunity `index` of the repeating trace comes."""
        rounds, position = divmod(index, len(self.times_ms))
        return (rounds * self.period_ms + self.times_ms[position]) * 1_000

    def count_until(self, at_us: int) -> int:
        """How many opportunities of the repeating trace come at or before `at_us`."""
        if at_us < 0:
            return 0
        rounds, rest_ms = divmod(at_us // 1_000, self.period_ms)
        return rounds * len(self.times_ms) + bisect_right(self.times_ms, rest_ms)
