"""Outage: the path is down for given spans of time; what comes meanwhile is gone."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from grace_netsim.link.packet import Datagram
from grace_netsim.link.stages.contract import Outcome, check_not_negative


@dataclass(frozen=True, slots=True)
class Outage:
    """All is lost from `from_us` up to `until_us`, for each pair of `spans`, on the link's own time."""

    spans: tuple[tuple[int, int], ...]
    name: ClassVar[str] = "outage"

    def __post_init__(self) -> None:
        for from_us, until_us in self.spans:
            check_not_negative("from_us", from_us)
            if until_us <= from_us:
                raise ValueError(f"an outage ends after it begins: {from_us} to {until_us}")

    def build(self, rng: Random) -> _Outage:
        """The stage in its first state."""
        return _Outage(self.spans)


class _Outage:
    def __init__(self, spans: tuple[tuple[int, int], ...]) -> None:
        self._spans = spans

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        down = any(from_us <= at_us < until_us for from_us, until_us in self._spans)
        return () if down else ((datagram, at_us),)
