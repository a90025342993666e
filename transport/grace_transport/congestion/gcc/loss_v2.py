"""Loss control of the second kind: how much of the loss is the link's own, and what rate does the rest allow?

Every 250 ms of sending is an observation (bytes, lost bytes, rate). A candidate (bandwidth b, inherent loss l) predicts
for rate r the loss p = l + (1 - l) max(r - b, 0) / r; the candidate of greatest likelihood, with a small preference
for more bandwidth, wins. So loss that does not depend on our rate does not lower it, up to a bound.

Dialect: libwebrtc's `loss_based_bwe_v2.cc` with the defaults of 2025, less its padding phase: nothing is made up here
to fill a recovering rate; probes do that. Knows no delay but the delay-based rate as an upper bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum
from math import inf, log
from statistics import median

from grace_transport.congestion.gcc.aimd import MIN_BPS
from grace_transport.congestion.history import PacketResult

OBSERVATION_US = 250_000
WINDOW = 15  # observations
MIN_OBSERVATIONS = 3  # before the estimate is used
WEIGHT = 0.9  # of an observation against the next newer one
CANDIDATE_FACTORS = (1.02, 1.0, 0.95)
START_INHERENT_LOSS = 0.01
MIN_INHERENT_LOSS = 1e-3
MAX_INHERENT_OFFSET, MAX_INHERENT_BALANCE_BPS = 0.05, 100_000  # inherent loss is at most .05 + 100 kbps / bandwidth
NEWTON_STEP = 0.75  # one step per update
RATE_BIAS, LOG_RATE_BIAS = 0.0002, 0.02  # preference for bandwidth, per kbps and per e-fold
BIAS_LOSS, BIAS_SMOOTHING = 0.20, 0.002  # ...which turns into its opposite above this loss
UPPER_OFFSET, UPPER_BALANCE_BPS = 0.05, 100_000  # the rate is at most 100 kbps / (average loss - .05)
RAMP_UP, RAMP_UP_IN_HOLD, HOLD_THRESHOLD = 1.5, 1.2, 1.3  # of the acknowledged rate, while recovering
INCREASE_WINDOW_US, MAX_INCREASE = 300_000, 1.3
FIRST_HOLD_US, MAX_HOLD_US, HOLD_GROWTH = 300_000, 60_000_000, 2
OUTLIER_RATE = 2.0  # of the median rate: an observation sent that fast is no outlier, its loss counts


class LossState(Enum):
    """Who sets the rate."""

    DELAY_BASED = "delay based"
    INCREASING = "increasing"  # loss-limited, recovering
    DECREASING = "decreasing"  # loss-limited


@dataclass(frozen=True, slots=True)
class _Observation:
    size_bytes: int
    lost_bytes: int
    rate_bps: float


@dataclass(frozen=True, slots=True)
class _Channel:
    """A hypothesis about the link."""

    bandwidth_bps: float
    inherent_loss: float


@dataclass(frozen=True, slots=True)
class _Hold:
    """After a decrease the rate may not rise above `rate_bps` before `until_us`; each hold doubles the next."""

    rate_bps: float = inf
    until_us: int | None = None
    next_us: int = FIRST_HOLD_US


class _Collector:
    """Gathers packet results into observations, on the time line of sending."""

    def __init__(self) -> None:
        self.last_sent_us: int | None = None  # newest packet of the newest observation
        self._size_bytes = 0
        self._lost: dict[int, int] = {}  # by sequence number: a late packet takes its loss back

    def add(self, results: Sequence[PacketResult], forgiven: AbstractSet[int]) -> _Observation | None:
        for r in results:
            if r.arrived_us is None and r.seq not in forgiven:
                self._lost[r.seq] = r.size_bytes
            else:
                self._lost.pop(r.seq, None)
            if not r.was_lost:
                self._size_bytes += r.size_bytes
        if self.last_sent_us is None:
            self.last_sent_us = min(r.sent_us for r in results)
        newest_us = max(r.sent_us for r in results)
        duration_us = newest_us - self.last_sent_us
        if duration_us < OBSERVATION_US or not self._size_bytes:
            return None
        lost_bytes = min(sum(self._lost.values()), self._size_bytes)
        observation = _Observation(self._size_bytes, lost_bytes, self._size_bytes * 8_000_000 / duration_us)
        self.last_sent_us = newest_us
        self._size_bytes = 0
        self._lost.clear()
        return observation


class LossV2:
    """Feed every report; `estimate_bps` is the rate that loss allows, never above the delay-based one."""

    def __init__(self, min_bps: int, max_bps: int) -> None:
        self._min_bps, self._max_bps = min_bps, max_bps
        self.state = LossState.DELAY_BASED
        self._estimate_bps: float = max_bps
        self._collector = _Collector()
        self._observations: deque[_Observation] = deque(maxlen=WINDOW)  # newest first
        self._observed = 0
        self._channel: _Channel | None = None
        self._average_loss = 0.0
        self._acked_bps: float | None = None
        self._hold = _Hold()
        self._increase_limit_bps = inf
        self._increase_from_us: int | None = None

    @property
    def ready(self) -> bool:
        return self._channel is not None and self._observed >= MIN_OBSERVATIONS

    @property
    def estimate_bps(self) -> int:
        return int(self._estimate_bps)

    @property
    def average_loss(self) -> float:
        """Share of bytes lost over the window, without its best and worst observation."""
        return self._average_loss

    @property
    def inherent_loss(self) -> float:
        """What the link is thought to lose at any rate."""
        return START_INHERENT_LOSS if self._channel is None else self._channel.inherent_loss

    def on_results(
        self,
        results: Sequence[PacketResult],
        delay_bps: int | None,
        acked_bps: float | None,
        in_alr: bool,
        forgiven: AbstractSet[int] = frozenset(),
    ) -> None:
        """`delay_bps`: None while there is no delay-based rate (no bound, then). `forgiven`: losses that count as
        arrivals, by sequence number."""
        self._acked_bps = acked_bps
        observation = self._collector.add(results, forgiven) if results else None
        if observation is None:
            return
        self._observations.appendleft(observation)
        self._observed += 1
        self._average_loss = _average_loss(self._observations)
        if self._channel is None:
            if delay_bps is None:
                return
            self._channel = _Channel(delay_bps, START_INHERENT_LOSS)
            self._estimate_bps = delay_bps
        delay_limit_bps = inf if delay_bps is None else delay_bps
        best = self._limit_growth(self._best(self._candidates(self._channel, delay_bps, in_alr)), self._channel)
        self._publish(best, delay_limit_bps)

    def on_probe(self, rate_bps: int) -> None:
        """A probe got through at `rate_bps`: a loss-limited rate below it is obsolete (as in str0m).

        Without this a flow that sends less than it may would stay loss-limited: its traffic proves nothing."""
        if self._channel is not None and rate_bps > self._estimate_bps:
            self._channel = replace(self._channel, bandwidth_bps=rate_bps)
            self._estimate_bps = rate_bps
            self._hold = _Hold()
            self.state = LossState.DELAY_BASED

    # -- the model ---------------------------------------------------------------------------------------------------

    def _candidates(self, channel: _Channel, delay_bps: int | None, in_alr: bool) -> list[_Channel]:
        bandwidths = [factor * channel.bandwidth_bps for factor in CANDIDATE_FACTORS]
        if self._acked_bps is not None and not in_alr:
            bandwidths.append(self._acked_bps)
        if delay_bps is not None and delay_bps > channel.bandwidth_bps:
            bandwidths.append(delay_bps)
        limit_bps = self._max_bps if self.state is LossState.DELAY_BASED else self._increase_limit_bps
        limit_bps = max(limit_bps, channel.bandwidth_bps)
        return [
            _Channel(b, _feasible(channel.inherent_loss, b)) for b in (min(max(b, 1.0), limit_bps) for b in bandwidths)
        ]

    def _best(self, candidates: list[_Channel]) -> _Channel:
        refined = [self._refined(c) for c in candidates]
        return max(refined, key=self._objective)

    def _refined(self, channel: _Channel) -> _Channel:
        """One damped Newton step towards the inherent loss of greatest likelihood."""
        first = second = 0.0
        weight = 1.0
        for o in self._observations:
            p = _loss_probability(channel, o.rate_bps)
            received_bytes = o.size_bytes - o.lost_bytes
            first += weight * (o.lost_bytes / p - received_bytes / (1 - p))
            second -= weight * (o.lost_bytes / p**2 + received_bytes / (1 - p) ** 2)
            weight *= WEIGHT
        inherent = channel.inherent_loss - NEWTON_STEP * first / min(second, -1e-6)
        return replace(channel, inherent_loss=_feasible(inherent, channel.bandwidth_bps))

    def _objective(self, channel: _Channel) -> float:
        """Log-likelihood of the window, in kilobytes, plus the preference for bandwidth."""
        kbps = channel.bandwidth_bps / 1_000
        sign = (BIAS_LOSS - self._average_loss) / (BIAS_SMOOTHING + abs(BIAS_LOSS - self._average_loss))
        bias = sign * (RATE_BIAS * kbps + LOG_RATE_BIAS * log(1 + kbps))
        total = 0.0
        weight = 1.0
        for o in self._observations:
            p = _loss_probability(channel, o.rate_bps)
            likelihood = o.lost_bytes * log(p) + (o.size_bytes - o.lost_bytes) * log(1 - p)
            total += weight * (likelihood + bias * o.size_bytes) / 1_000
            weight *= WEIGHT
        return total

    # -- from the best candidate to the rate -------------------------------------------------------------------------

    def _limit_growth(self, best: _Channel, current: _Channel) -> _Channel:
        bandwidth_bps, current_bps = best.bandwidth_bps, current.bandwidth_bps
        if self._average_loss > best.inherent_loss and bandwidth_bps > current_bps:
            bandwidth_bps = current_bps  # more is lost than the link is believed to lose by itself
        if self.state is not LossState.DELAY_BASED:
            if self._in_increase_window():
                bandwidth_bps = min(bandwidth_bps, self._increase_limit_bps)
            if self._acked_bps is not None and self._is_increase(current_bps, bandwidth_bps):
                slow = self._acked_bps < HOLD_THRESHOLD * self._hold.rate_bps and self._hold.rate_bps < inf
                ramp_bps = (RAMP_UP_IN_HOLD if slow else RAMP_UP) * self._acked_bps
                bandwidth_bps = max(current_bps, min(bandwidth_bps, ramp_bps))
                if self.state is LossState.DECREASING and bandwidth_bps == current_bps:
                    bandwidth_bps = current_bps + 1  # just enough to count as an increase
        return replace(best, bandwidth_bps=bandwidth_bps)

    def _publish(self, best: _Channel, delay_limit_bps: float) -> None:
        lower_bps = max(self._acked_bps or 0.0, self._min_bps)
        bounded_bps = max(lower_bps, min(best.bandwidth_bps, self._upper_bps(), delay_limit_bps))
        if bounded_bps < best.bandwidth_bps:
            self._channel = _Channel(bounded_bps, 0.0)
        else:
            self._channel = replace(best, bandwidth_bps=max(best.bandwidth_bps, lower_bps))
        limited = bounded_bps < delay_limit_bps and bounded_bps < self._max_bps
        if self._holding() and bounded_bps < delay_limit_bps:
            self._hold = replace(self._hold, rate_bps=max(lower_bps, self._hold.rate_bps))
            self._estimate_bps = min(self._hold.rate_bps, bounded_bps)
            return
        if not limited:
            self._hold = _Hold()
            self.state = LossState.DELAY_BASED
        elif self._is_increase(self._estimate_bps, bounded_bps):
            self.state = LossState.INCREASING
        else:
            self._start_hold(bounded_bps)
            self.state = LossState.DECREASING
        self._estimate_bps = bounded_bps
        self._open_increase_window()

    def _upper_bps(self) -> float:
        """However the loss is explained: at an average loss of 15 % no more than 1 Mbps, at 55 % 200 kbps."""
        excess = self._average_loss - UPPER_OFFSET
        return UPPER_BALANCE_BPS / excess if excess > 0 else inf

    def _is_increase(self, old_bps: float, new_bps: float) -> bool:
        """While loss-limited; standing still goes on counting as increasing."""
        if self.state is LossState.DELAY_BASED:
            return False
        return new_bps > old_bps or (new_bps == old_bps and self.state is LossState.INCREASING)

    def _now_us(self) -> int:
        """Time here is the send time of the newest packet observed."""
        return self._collector.last_sent_us or 0

    def _holding(self) -> bool:
        until_us = self._hold.until_us
        return self.state is LossState.DECREASING and until_us is not None and until_us > self._now_us()

    def _start_hold(self, rate_bps: float) -> None:
        if self.state is not LossState.DECREASING:
            length_us = self._hold.next_us
            self._hold = _Hold(rate_bps, self._now_us() + length_us, min(length_us * HOLD_GROWTH, MAX_HOLD_US))

    def _in_increase_window(self) -> bool:
        start_us = self._increase_from_us
        return start_us is not None and start_us + INCREASE_WINDOW_US > self._now_us()

    def _open_increase_window(self) -> None:
        """While loss-limited, at most 30 % growth per 300 ms."""
        if self.state is LossState.DELAY_BASED or self._channel is None:
            return
        start_us = self._increase_from_us
        if start_us is None or start_us + INCREASE_WINDOW_US < self._now_us():
            self._increase_limit_bps = max(MIN_BPS, self._channel.bandwidth_bps * MAX_INCREASE)
            self._increase_from_us = self._now_us()


def _loss_probability(channel: _Channel, rate_bps: float) -> float:
    p = channel.inherent_loss
    if rate_bps > channel.bandwidth_bps:
        p += (1 - p) * (rate_bps - channel.bandwidth_bps) / rate_bps
    return min(max(p, 1e-6), 1 - 1e-6)


def _feasible(inherent_loss: float, bandwidth_bps: float) -> float:
    limit = min(MAX_INHERENT_OFFSET + MAX_INHERENT_BALANCE_BPS / bandwidth_bps, 1.0)
    return min(max(inherent_loss, MIN_INHERENT_LOSS), limit)


def _average_loss(observations: Sequence[_Observation]) -> float:
    """Weighted, newest first. The best and the worst observation are left out once there are more than three."""
    weighted = [
        (o.lost_bytes / o.size_bytes, o.lost_bytes * WEIGHT**age, o.size_bytes * WEIGHT**age, o.rate_bps)
        for age, o in enumerate(observations)
    ]
    if len(weighted) > MIN_OBSERVATIONS:
        best, worst = min(weighted), max(weighted)
        typical_bps = median(rate_bps for *_, rate_bps in weighted)
        if worst[0] > best[0] and worst[3] < OUTLIER_RATE * typical_bps:
            weighted.remove(best)
            weighted.remove(worst)
    return sum(lost for _, lost, _, _ in weighted) / sum(size for _, _, size, _ in weighted)
