"""References that later frames may be predicted from, by lineage. Owns their bound; refuses to know what they hold."""

from __future__ import annotations

from collections import OrderedDict

from grace_codec.types import Reference


class ReferenceStore:
    """The newest `capacity` references by lineage. Storing or finding one makes it the newest."""

    def __init__(self, capacity: int = 32) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity}: keep at least one reference")
        self._capacity = capacity
        self._held: OrderedDict[int, Reference] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, lineage: int) -> bool:
        return lineage in self._held

    def put(self, lineage: int, reference: Reference) -> None:
        self._held[lineage] = reference
        self._held.move_to_end(lineage)
        while len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def get(self, lineage: int) -> Reference | None:
        """None where it was never stored, or dropped."""
        if lineage in self._held:
            self._held.move_to_end(lineage)
        return self._held.get(lineage)
