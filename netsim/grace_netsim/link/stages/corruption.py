"""Corruption: some packets arrive with flipped bits. A real UDP checksum would drop most; here they test parsers."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar, cast

from grace_netsim.link.packet import Datagram
from grace_netsim.link.stages.contract import Outcome, check_probability


@dataclass(frozen=True, slots=True)
class Corruption:
    """`bits` distinct bits of the payload are flipped (all of a shorter one), with this probability per packet."""

    probability: float
    bits: int = 1
    name: ClassVar[str] = "corruption"

    def __post_init__(self) -> None:
        check_probability("probability", self.probability)
        if self.bits < 1:
            raise ValueError(f"bits must be at least 1, not {self.bits}")

    def build(self, rng: Random) -> _Corruption:
        """The stage in its first state."""
        return _Corruption(self, rng)


class _Corruption:
    def __init__(self, config: Corruption, rng: Random) -> None:
        self._config = config
        self._rng = rng

    def pass_on(self, datagram: Datagram, at_us: int) -> Outcome[Datagram]:
        if self._rng.random() >= self._config.probability:
            return ((datagram, at_us),)
        if not isinstance(datagram, bytes):
            raise TypeError(f"corruption flips bits of bytes; this link carries {type(datagram).__name__}")
        return ((cast(Datagram, self._flip(datagram)), at_us),)

    def _flip(self, payload: bytes) -> bytes:
        flipped = bytearray(payload)
        available = 8 * len(payload)
        for bit in self._rng.sample(range(available), min(self._config.bits, available)):
            flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)
