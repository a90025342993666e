"""What a stage is: packets in the order of their departure in, each with a time; none, one or several out."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

# The payloads that go on, each with its time in microseconds; empty: the packet is lost.
Outcome = Sequence[tuple[bytes, int]]


class Stage(Protocol):
    """State of one effect. Sees packets in the order in which they left the stage before it was configured after."""

    def pass_on(self, payload: bytes, at_us: int) -> Outcome: ...


class StageConfig(Protocol):
    """A frozen description of one effect."""

    @property
    def name(self) -> str:
        """The reason that LinkDropped gives; with the link's seed it also seeds the stage's generator."""
        ...

    def build(self, rng: Random) -> Stage: ...


def check_probability(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be a probability from 0 to 1, not {value}")


def check_not_negative(name: str, value: int) -> None:
    if value < 0:
        raise ValueError(f"{name} must not be negative: {value}")
