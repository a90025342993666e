"""Delay: fixed, or random per packet (jitter), with or without overtaking."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from grace_netsim.link.packet import Datagram
from grace_netsim.link.stages.contract import Outcome, check_not_negative


@dataclass(frozen=True, slots=True)
class FixedDelay:
    """Every packet `delay_us` later. LinkConfig.delay_us is the same, cheaper; this one stands between other stages."""

    delay_us: int
    name: ClassVar[str] = "delay"

    def __post_init__(self) -> None:
        check_not_negative("delay_us", self.delay_us)

    def build(self, rng: Random) -> _FixedDelay:
        """The stage in its first state."""
        return _FixedDelay(self.delay_us)


class _FixedDelay:
    def __init__(self, delay_us: int) -> None:
        self._delay_us = delay_us

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        return ((datagram, at_us + self._delay_us),)


@dataclass(frozen=True, slots=True)
class Jitter:
    """A normally distributed extra delay per packet, cut off at 0.

    Without `reorder` a packet waits for the one before it, as in a real queue; with it, packets overtake (netem)."""

    mean_us: int
    std_us: int
    reorder: bool = False
    name: ClassVar[str] = "jitter"

    def __post_init__(self) -> None:
        check_not_negative("mean_us", self.mean_us)
        check_not_negative("std_us", self.std_us)

    def build(self, rng: Random) -> _Jitter:
        """The stage in its first state."""
        return _Jitter(self, rng)


class _Jitter:
    def __init__(self, config: Jitter, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._last_us = 0

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        config = self._config
        out_us = at_us + max(0, round(self._rng.gauss(config.mean_us, config.std_us)))
        if not config.reorder:
            out_us = self._last_us = max(out_us, self._last_us)
        return ((datagram, out_us),)
