"""The contract of a stage: it takes each packet with the time at which it comes, and gives on none, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

from grace_netsim.link.packet import Datagram

Outcome = Sequence[tuple[Datagram, int]]
"""The datagrams that go on, each with its time in microseconds. Empty: the packet is lost."""


class Stage(Protocol):
    """One effect with its state. It sees packets in the order in which they left the bottleneck or the stage before."""

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        """What becomes of a packet that comes at `at_us`."""
        ...


class StageConfig(Protocol):
    """The frozen description of one effect."""

    @property
    def name(self) -> str:
        """The reason that LinkDropped gives. Together with the link's seed it also seeds the stage's generator."""
        ...

    def build(self, rng: Random) -> Stage:
        """The effect in its first state; all its randomness is drawn from `rng`."""
        ...


def check_probability(name: str, value: float) -> None:
    """Raises ValueError, naming the setting, for anything but 0 to 1."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be a probability from 0 to 1, not {value}")


def check_not_negative(name: str, value: int) -> None:
    """Raises ValueError, naming the setting, for a negative value."""
    if value < 0:
        raise ValueError(f"{name} must not be negative: {value}")
