"""Contexts of the residual: buckets of what a packet's neighbouring elements are and are expected to be, and where the
elements of each packet lie. Integers only, so that both ends agree on every machine.

```
decoded magnitudes of the packet  A (n, H, W) --3x3--> observed bucket --.
scale classes of those elements   E (n, H, W) --3x3--> expected bucket --+--> adjust --> class = channel's + adjust
```
Observed against expected tells whether this part of the frame is busier or calmer than its channels' scales say. A
packet holds only every n-th element of the neighbourhood, and of varying channels; that is why the sum alone would not
do, and what the expected bucket corrects. The neighbourhood counts the element's own position 6 times, sides twice and
corners once. The lattice of the packets makes E depend on the phase of a position alone: n numbers in place of n maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.mapping import Mapping, mapping
from grace_codec.entropy.residual_kernels import PacketLayout
from grace_codec.entropy.tables import Integers
from grace_codec.runtime.jit import read_only

Bytes = npt.NDArray[np.uint8]

_WEIGHTS = ((1, 2, 1), (2, 6, 2), (1, 2, 1))

# Upper ends of the buckets, part of the bitstream (docs/bitstream.md)
EXPECTED_EDGES = (2, 3, 5, 8, 13, 22, 36, 60, 100, 170, 280, 470, 780, 1300, 2200)  # 1/64 magnitude
OBSERVED_EDGES = (1, 2, 3, 4, 6, 9, 13, 19, 28, 41, 60, 88, 129, 190, 280)
EXPECTED_BUCKET = np.searchsorted(EXPECTED_EDGES, np.arange(4096), side="right").astype(np.uint8)
OBSERVED_BUCKET = np.searchsorted(OBSERVED_EDGES, np.arange(1024), side="right").astype(np.uint8)


@dataclass(frozen=True)
class Layout:
    """How the elements of one component lie in n packets. The *phase* of a channel says which positions of it travel in
    which packet; channels of one phase travel alike."""

    mapping: Mapping

    @property
    def area(self) -> int:
        """Positions of a channel."""
        return self.mapping.height * self.mapping.width

    @cached_property
    def _phase(self) -> Bytes:
        """(n, area): which phase of channels has its elements of a packet at each position."""
        return read_only(self.mapping.phase.reshape(self.mapping.n, -1))

    @cached_property
    def _phase_of(self) -> Integers:
        return read_only(self.mapping.phase_of)

    @cached_property
    def elements(self) -> int:
        """An upper bound of the number of elements in a packet."""
        return self.area * int(np.bincount(self.mapping.phase_of).max())

    @cached_property
    def _spread(self) -> Integers:
        """(n, n): how much the elements of each phase weigh in the neighbourhood of each phase."""
        n, row = self.mapping.n, self.mapping.strides[1]
        spread = np.zeros((n, n), np.int64)
        for dy, weights in zip((-1, 0, 1), _WEIGHTS, strict=True):
            for dx, weight in zip((-1, 0, 1), weights, strict=True):
                np.add.at(spread, (np.arange(n), (np.arange(n) - dx - dy * row) % n), weight)
        return read_only(spread)

    def packet(self, j: int) -> PacketLayout:
        """Where the elements of packet j lie, for the compiled walk."""
        return PacketLayout(self.mapping.height, self.mapping.width, self._phase[j], self._phase_of, self._spread)


@lru_cache(maxsize=16)
def layout(channels: int, height: int, width: int, n: int) -> Layout:
    return Layout(mapping(channels, height, width, n))
