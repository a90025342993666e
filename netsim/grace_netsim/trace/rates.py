"""A rate that changes in steps, as a cumulative service curve in exact integers. Reads no files."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

NEVER_US = 1 << 62  # later than any time a clock gives
STEP_US = 100_000  # the paper's token bucket changes its rate every 100 ms (GRACE, NSDI 24, §5.1)


@dataclass(frozen=True, slots=True)
class RateSeries:
    """`rates_bps[i]` holds from i·step_us on; the series repeats."""

    rates_bps: tuple[int, ...]
    step_us: int = STEP_US

    def __post_init__(self) -> None:
        if not self.rates_bps:
            raise ValueError("a rate series needs at least one rate")
        if min(self.rates_bps) < 0:
            raise ValueError(f"a rate cannot be negative: {min(self.rates_bps)} bit/s")
        if max(self.rates_bps) == 0:
            raise ValueError("all rates are 0 bit/s: nothing could ever leave")
        if self.step_us <= 0:
            raise ValueError(f"step_us must be positive, not {self.step_us}")

    @property
    def duration_us(self) -> int:
        return len(self.rates_bps) * self.step_us

    def rate_at(self, at_us: int) -> int:
        return self.rates_bps[at_us % self.duration_us // self.step_us]


class ServiceCurve:
    """Microbits (bit/s times µs) that a rate series has offered since time 0, and the inverse."""

    def __init__(self, series: RateSeries, *, repeat: bool = True) -> None:
        self._rates = series.rates_bps
        self._step_us = series.step_us
        self._period_us = series.duration_us
        self._ends = tuple(accumulate(rate * series.step_us for rate in series.rates_bps))
        self._per_round = self._ends[-1]
        self._repeat = repeat

    def offered(self, at_us: int) -> int:
        """Microbits offered up to `at_us`."""
        if at_us <= 0:
            return 0
        rounds, rest_us = divmod(at_us, self._period_us)
        if rounds and not self._repeat:
            return self._per_round
        step, into_us = divmod(rest_us, self._step_us)
        before = self._ends[step - 1] if step else 0
        return rounds * self._per_round + before + self._rates[step] * into_us

    def reached_us(self, microbits: int) -> int:
        """The first whole microsecond at which `microbits` have been offered; NEVER_US if a single round has less."""
        if microbits <= 0:
            return 0
        rounds, rest = divmod(microbits - 1, self._per_round)
        if rounds and not self._repeat:
            return NEVER_US
        rest += 1
        step = bisect_left(self._ends, rest)
        before = self._ends[step - 1] if step else 0
        into_us = -((before - rest) // self._rates[step])
        return rounds * self._period_us + step * self._step_us + into_us
