"""Reordering: some packets are held back, so that later ones overtake them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from grace_netsim.link.packet import Datagram
from grace_netsim.link.stages.contract import Outcome, check_not_negative, check_probability


@dataclass(frozen=True, slots=True)
class Reordering:
    """A packet is held back by `late_us` with this probability."""

    probability: float
    late_us: int
    name: ClassVar[str] = "reordering"

    def __post_init__(self) -> None:
        check_probability("probability", self.probability)
        check_not_negative("late_us", self.late_us)

    def build(self, rng: Random) -> _Reordering:
        """The stage in its first state."""
        return _Reordering(self, rng)


class _Reordering:
    def __init__(self, config: Reordering, rng: Random) -> None:
        self._config = config
        self._rng = rng

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        late_us = self._config.late_us if self._rng.random() < self._config.probability else 0
        return ((datagram, at_us + late_us),)
