"""Seeded traces that are statistically like real ones: LTE (mahimahi's recordings) and fixed broadband (FCC). Pure.

The models were fitted to published statistics alone (traces/SOURCES.md); no recorded trace is in them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import exp, sqrt
from random import Random
from statistics import NormalDist
from types import MappingProxyType

from grace_netsim.errors import TraceError
from grace_netsim.trace.convert import BITS_PER_OPPORTUNITY, STEP_MS, ending_at, to_opportunities
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import STEP_US, RateSeries

MAX_SECONDS = 86_400
CAP_MBPS = 8.0  # of the evaluation sets; in 100 ms it is 66 whole opportunities, 7.94 Mbit/s
CAP_PER_STEP = int(CAP_MBPS * 1e6 * STEP_MS / 1e3) // BITS_PER_OPPORTUNITY
OPPORTUNITY_MBPS = BITS_PER_OPPORTUNITY / (STEP_MS * 1e3)  # one opportunity in 100 ms
STEPS_PER_MINUTE = 60_000 // STEP_MS
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class LteModel:
    """Rate of each 100 ms = quantile(Φ(level of the trace + fading + white noise)), cut by outages.

    Fading is a slow and a fast Gauss–Markov process. The defaults were fitted to the figures of the set lte8."""

    quantiles: tuple[tuple[float, float], ...] = (  # share of the steps outside outages, Mbit/s
        (0.0, 0.2), (0.04, 0.75), (0.2, 1.23), (0.467, 3.38), (0.735, 6.79), (0.826, 8.0), (1.0, 8.0),
    )  # fmt: skip
    level_share: float = 0.54  # of all variance: between traces
    slow_share: float = 0.77  # of the fading's
    slow_s: float = 60.0  # time constants
    fast_s: float = 5.0
    white_share: tuple[float, float] = (0.076, 0.95)  # of the variance inside a trace: calmest and most bursty trace
    white_power: float = 2.26  # above 1: most traces are calm
    short_per_minute: float = 22.8  # scheduling gaps
    short_more: float = 0.217  # probability of each step beyond the first
    long_per_minute: float = 1.06  # handovers and holes in coverage
    long_s: tuple[float, float] = (1.42, 0.37)  # median, and σ of the logarithm
    fade: float = 1.93  # how much likelier an outage begins in a fade: exp of this per σ
    batch_single: float = 0.82  # share of the used milliseconds with one opportunity
    batch_more: float = 0.6  # probability of each one beyond two


def generate_lte(seed: int, seconds: int, model: LteModel | None = None) -> OpportunityTrace:
    """An LTE-like trace: deep and fast fading, outages, bursts of opportunities; 0 to 8 Mbit/s in 100 ms."""
    _check(seconds)
    model = model or LteModel()
    rng = Random(f"lte/{seed}")
    times: list[int] = []
    for step, count in enumerate(list(_lte_counts(model, seed, seconds * 1_000 // STEP_MS, rng))):
        times.extend(_scattered(model, step * STEP_MS, count, rng))
    return ending_at(times or [0], seconds * 1_000)


def _lte_counts(model: LteModel, seed: int, steps: int, rng: Random) -> Iterator[int]:
    """Opportunities in each 100 ms."""
    level = sqrt(3 * model.level_share) * (2 * _spread(seed, 0) - 1)  # uniform, with that variance
    lowest, highest = model.white_share
    white = lowest + (highest - lowest) * _spread(seed, 1) ** model.white_power
    slow, fast = _gauss_markov(model.slow_s, rng), _gauss_markov(model.fast_s, rng)
    slow_amplitude, fast_amplitude = sqrt(model.slow_share), sqrt(1 - model.slow_share)
    fading = _normalized([slow_amplitude * next(slow) + fast_amplitude * next(fast) for _ in range(steps)])
    mixed = _normalized([sqrt(1 - white) * fade + sqrt(white) * rng.gauss(0, 1) for fade in fading])
    within = sqrt(1 - model.level_share)
    carry, blocked = 0.5, 0
    for fade, value in zip(fading, mixed, strict=True):
        blocked = max(blocked - 1, 0) or _outage_steps(model, fade, rng)
        if blocked:
            yield 0
            continue
        carry += _interpolate(model.quantiles, NORMAL.cdf(level + within * value)) / OPPORTUNITY_MBPS
        count = int(carry)
        carry -= count
        yield min(count, CAP_PER_STEP)


def _outage_steps(model: LteModel, fading: float, rng: Random) -> int:
    """0, or how long the outage lasts that begins now."""
    likelier = exp(-model.fade * fading - model.fade**2 / 2)
    if rng.random() < likelier * model.long_per_minute / STEPS_PER_MINUTE:
        median_s, sigma = model.long_s
        return max(5, round(10 * median_s * exp(rng.gauss(0, sigma))))
    if rng.random() < likelier * model.short_per_minute / STEPS_PER_MINUTE:
        steps = 1
        while rng.random() < model.short_more:
            steps += 1
        return steps
    return 0


def _scattered(model: LteModel, start_ms: int, count: int, rng: Random) -> list[int]:
    """`count` opportunities in (start, start + 100], in batches at random milliseconds."""
    times: list[int] = []
    while len(times) < count:
        batch = 1
        if rng.random() >= model.batch_single:
            batch = 2
            while rng.random() < model.batch_more:
                batch += 1
        at_ms = start_ms + 1 + int(rng.random() * STEP_MS)
        times.extend([at_ms] * min(batch, count - len(times)))
    return sorted(times)


@dataclass(frozen=True, slots=True)
class FccModel:
    """A rate for each 5 s: the usual rate of the line with some noise, or a fraction of it for a while.

    The defaults were fitted to the figures of the set fcc8."""

    step_s: float = 5.0
    usual_mbps: tuple[tuple[float, float], ...] = ((0.0, 2.5), (0.25, 3.8), (0.5, 4.7), (0.75, 6.2), (1.0, 9.2))
    noise: tuple[float, float] = (0.015, 0.28)  # σ of ln(rate) between steps, calmest and most restless line
    slump: tuple[float, float] = (0.19, 0.37)  # fraction of the usual rate, drawn per line
    slump_noise: float = 0.6  # times that noise
    usual_steps: tuple[int, int] = (1, 9)  # how long the line keeps its usual rate, and
    slump_steps: tuple[int, int] = (1, 3)  # how long it does not: uniform


def generate_fcc(seed: int, seconds: int, model: FccModel | None = None) -> OpportunityTrace:
    """An FCC-like trace: calm in every 5 s step, with slumps to a fraction of the usual rate; up to 8 Mbit/s."""
    _check(seconds)
    model = model or FccModel()
    rng = Random(f"fcc/{seed}")
    steps = seconds * 1_000 // STEP_MS
    held = round(model.step_s * 1_000) // STEP_MS
    skipped = int(rng.random() * held)  # a recording begins anywhere in a step
    levels = _fcc_levels(model, seed, rng)
    rates = [rate for rate in islice(levels, steps // held + 2) for _ in range(held)]
    return to_opportunities(RateSeries(tuple(rates[skipped : skipped + steps]), STEP_US))


def _fcc_levels(model: FccModel, seed: int, rng: Random) -> Iterator[int]:
    """bit/s of each step."""
    usual = _interpolate(model.usual_mbps, _spread(seed, 0))
    calm, restless = model.noise
    noise = calm + (restless - calm) * _spread(seed, 1)
    shallow, deep = model.slump[1], model.slump[0]
    fraction = deep + (shallow - deep) * rng.random()
    slumped = rng.random() < sum(model.slump_steps) / (sum(model.usual_steps) + sum(model.slump_steps))
    while True:
        mbps = usual * fraction if slumped else usual
        for _ in range(rng.randint(*(model.slump_steps if slumped else model.usual_steps))):
            noisy = mbps * exp(rng.gauss(0, noise * (model.slump_noise if slumped else 1)))
            yield round(min(noisy, CAP_PER_STEP * OPPORTUNITY_MBPS) * 1e6)
        slumped = not slumped


GENERATORS: Mapping[str, Callable[[int, int], OpportunityTrace]] = MappingProxyType(
    {"lte": generate_lte, "fcc": generate_fcc}
)


def _gauss_markov(time_constant_s: float, rng: Random) -> Iterator[float]:
    """Unit variance, correlation exp(-t/time constant), a value every 100 ms."""
    keep = exp(-STEP_MS / 1e3 / time_constant_s)
    fresh = sqrt(1 - keep * keep)
    value = rng.gauss(0, 1)
    while True:
        yield value
        value = keep * value + fresh * rng.gauss(0, 1)


def _normalized(values: Sequence[float]) -> list[float]:
    """The same order, but exactly normally distributed: so every trace, however short, has the model's distribution."""
    order = sorted(range(len(values)), key=values.__getitem__)
    normal = [0.0] * len(values)
    for rank, index in enumerate(order):
        normal[index] = NORMAL.inv_cdf((rank + 0.5) / len(values))
    return normal


def _spread(seed: int, axis: int) -> float:
    """A number in (0, 1) that fills the interval evenly over consecutive seeds (Roberts' R2 sequence)."""
    plastic = 1.324717957244746  # x³ = x + 1
    return (0.5 + seed * plastic ** (axis - 2)) % 1.0


def _interpolate(points: Sequence[tuple[float, float]], at: float) -> float:
    index = min(max(bisect_right(points, (at, float("inf"))), 1), len(points) - 1)
    (x0, y0), (x1, y1) = points[index - 1], points[index]
    return y0 + (y1 - y0) * (at - x0) / (x1 - x0)


def _check(seconds: int) -> None:
    if not 1 <= seconds <= MAX_SECONDS:
        raise TraceError(f"{seconds} s cannot be generated; ask for 1 to {MAX_SECONDS} seconds")
