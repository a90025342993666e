"""Unwraps counters: from the few bits on the wire to plain ints that do not wrap. Refuses to know what is counted."""

from __future__ import annotations


def nearest(reference: int, wire: int, bits: int) -> int:
    """The int closest to `reference` whose low `bits` bits are `wire`; of two equally far, the higher one."""
    span = 1 << bits
    ahead = (wire - reference) & (span - 1)
    return reference + ahead if ahead <= span >> 1 else reference + ahead - span


class Unwrapper:
    """Follows one counter of `bits` bits. The first value is taken as it is, each later one as near the last as can be.

    Values from before the first may come out negative, so that order is kept."""

    def __init__(self, bits: int = 16) -> None:
        self._bits = bits
        self._last: int | None = None

    @property
    def last(self) -> int | None:
        """The int that was returned last, or None before the first."""
        return self._last

    def unwrap(self, wire: int) -> int:
        """The int that the bits `wire` stand for."""
        self._last = wire if self._last is None else nearest(self._last, wire, self._bits)
        return self._last

    def expect(self, near: int) -> None:
        """The next value will be taken as near to `near` as can be."""
        self._last = near

    def reset(self) -> None:
        """Start over: the next value will be taken as it is."""
        self._last = None
