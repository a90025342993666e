"""Loss: independent, in bursts (Gilbert–Elliott), after a recorded pattern, or after a recorded series of rates."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from grace_netsim.link.packet import Datagram
from grace_netsim.link.stages.contract import Outcome, check_probability


@dataclass(frozen=True, slots=True)
class IidLoss:
    """Every packet is lost with the same probability, independently."""

    probability: float
    name: ClassVar[str] = "loss"

    def __post_init__(self) -> None:
        check_probability("probability", self.probability)

    def build(self, rng: Random) -> _IidLoss:
        """The stage in its first state."""
        return _IidLoss(self.probability, rng)


class _IidLoss:
    def __init__(self, probability: float, rng: Random) -> None:
        self._probability = probability
        self._rng = rng

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        return () if self._rng.random() < self._probability else ((datagram, at_us),)


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Two states with a loss rate each; the state may change before every packet (Gilbert 1960, Elliott 1963).

    It starts in the good state."""

    good_to_bad: float
    bad_to_good: float
    loss_good: float = 0.0
    loss_bad: float = 1.0
    name: ClassVar[str] = "gilbert-elliott"

    def __post_init__(self) -> None:
        for field in ("good_to_bad", "bad_to_good", "loss_good", "loss_bad"):
            check_probability(field, getattr(self, field))

    @classmethod
    def of_bursts(cls, mean_loss: float, mean_burst_packets: float) -> GilbertElliott:
        """The simple Gilbert model (all is lost in the bad state) with this mean loss and mean length of a burst."""
        if not 0.0 <= mean_loss < 1.0:
            raise ValueError(f"mean_loss must be at least 0 and below 1, not {mean_loss}")
        if mean_burst_packets < 1.0:
            raise ValueError(f"a burst is at least one packet long, not {mean_burst_packets}")
        bad_to_good = 1.0 / mean_burst_packets
        good_to_bad = bad_to_good * mean_loss / (1.0 - mean_loss)
        if good_to_bad > 1.0:
            raise ValueError(f"a mean loss of {mean_loss} needs bursts longer than {mean_burst_packets} packets")
        return cls(good_to_bad, bad_to_good)

    @property
    def mean_loss(self) -> float:
        """The long-run share of packets lost."""
        changes = self.good_to_bad + self.bad_to_good
        bad = self.good_to_bad / changes if changes else 0.0
        return bad * self.loss_bad + (1.0 - bad) * self.loss_good

    def build(self, rng: Random) -> _GilbertElliott:
        """The stage in its first state."""
        return _GilbertElliott(self, rng)


class _GilbertElliott:
    def __init__(self, config: GilbertElliott, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._bad = False

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        config = self._config
        change = config.bad_to_good if self._bad else config.good_to_bad
        if self._rng.random() < change:
            self._bad = not self._bad
        loss = config.loss_bad if self._bad else config.loss_good
        return () if self._rng.random() < loss else ((datagram, at_us),)


@dataclass(frozen=True, slots=True)
class LossPattern:
    """Trace-driven, per packet: packet i is lost where `lost[i % len(lost)]`."""

    lost: tuple[bool, ...]
    name: ClassVar[str] = "loss-pattern"

    def __post_init__(self) -> None:
        if not self.lost:
            raise ValueError("a loss pattern needs at least one entry")

    def build(self, rng: Random) -> _LossPattern:
        """The stage in its first state."""
        return _LossPattern(self.lost)


class _LossPattern:
    def __init__(self, lost: tuple[bool, ...]) -> None:
        self._lost = lost
        self._next = 0

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        lost = self._lost[self._next]
        self._next = (self._next + 1) % len(self._lost)
        return () if lost else ((datagram, at_us),)


@dataclass(frozen=True, slots=True)
class LossRates:
    """Trace-driven, over time: `rates[i]` is the loss probability from i·step_us on; repeats. Rate 1 is an outage."""

    rates: tuple[float, ...]
    step_us: int = 100_000
    name: ClassVar[str] = "loss-rates"

    def __post_init__(self) -> None:
        if not self.rates:
            raise ValueError("a series of loss rates needs at least one entry")
        for rate in self.rates:
            check_probability("a loss rate", rate)
        if self.step_us <= 0:
            raise ValueError(f"step_us must be positive, not {self.step_us}")

    def build(self, rng: Random) -> _LossRates:
        """The stage in its first state."""
        return _LossRates(self, rng)


class _LossRates:
    def __init__(self, config: LossRates, rng: Random) -> None:
        self._config = config
        self._rng = rng

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        rates = self._config.rates
        rate = rates[at_us // self._config.step_us % len(rates)]
        return () if self._rng.random() < rate else ((datagram, at_us),)
