"""Wire counters that wrap <-> plain ints that do not. Owns unwrapping; refuses to know what is counted."""

from __future__ import annotations


def nearest(reference: int, wire: int, bits: int) -> int:
    """The int closest to `reference` whose low `bits` bits are `wire`; of two equally far, the higher one."""
    span = 1 << bits
    ahead = (wire - reference) & (span - 1)
    return reference + ahead if ahead <= span >> 1 else reference + ahead - span


class Unwrapper:
    """Follows one counter of `bits` bits. The first value stands for itself; each further one is nearest to the last.

    Values that reach back beyond the first come out negative, so that order is kept."""

    def __init__(self, bits: int = 16) -> None:
        self._bits = bits
        self._last: int | None = None

    @property
    def last(self) -> int | None:
        """The int that was returned last, or None before the first."""
        return self._last

    def unwrap(self, wire: int) -> int:
        self._last = wire if self._last is None else nearest(self._last, wire, self._bits)
        return self._last

    def expect(self, near: int) -> None:
        """The next value is the one nearest to this."""
        self._last = near

    def reset(self) -> None:
        self._last = None
