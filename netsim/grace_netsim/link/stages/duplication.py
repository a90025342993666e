"""Duplication: some packets arrive twice."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from grace_netsim.link.packet import Datagram
from grace_netsim.link.stages.contract import Outcome, check_not_negative, check_probability


@dataclass(frozen=True, slots=True)
class Duplication:
    """A packet comes a second time with this probability, `after_us` later."""

    probability: float
    after_us: int = 0
    name: ClassVar[str] = "duplication"

    def __post_init__(self) -> None:
        check_probability("probability", self.probability)
        check_not_negative("after_us", self.after_us)

    def build(self, rng: Random) -> _Duplication:
        """The stage in its first state."""
        return _Duplication(self, rng)


class _Duplication:
    def __init__(self, config: Duplication, rng: Random) -> None:
        self._config = config
        self._rng = rng

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        if self._rng.random() < self._config.probability:
            return (datagram, at_us), (datagram, at_us + self._config.after_us)
        return ((datagram, at_us),)
