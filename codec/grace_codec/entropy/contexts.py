"""What a packet's own decoded elements say about the next ones. Owns the backward-adaptive contexts of luma and chroma;
refuses to know coders and bytes. Integers only, so that both ends agree on every machine.

```
decoded magnitudes of the packet  A (n, H, W) --3x3--> observed bucket --.
scale classes of those elements   E (n, H, W) --3x3--> expected bucket --+--> adjust --> class = channel's + adjust
```
The neighbourhood counts the element's own position 6 times, sides twice and corners once. The lattice of the packets
makes E depend on the phase of a position alone: n numbers instead of n maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.tables import CLASSES, FLAG_LADDER, FLAG_STATES, PER_OCTAVE, RATIO_BUCKETS, Integers, Tables
from grace_codec.packets.mapping import Mapping, mapping

Bytes = npt.NDArray[np.uint8]
Steps = npt.NDArray[np.int8]
Where = npt.NDArray[np.int32]

LARGEST_COUNTED = 15  # one huge value must not speak for its whole neighbourhood
_WEIGHTS = ((1, 2, 1), (2, 6, 2), (1, 2, 1))

# upper ends of the buckets; part of the bitstream (docs/bitstream.md)
EXPECTED_EDGES = (2, 3, 5, 8, 13, 22, 36, 60, 100, 170, 280, 470, 780, 1300, 2200)  # 1/64 magnitude
OBSERVED_EDGES = (1, 2, 3, 4, 6, 9, 13, 19, 28, 41, 60, 88, 129, 190, 280)
FLAG_EDGES = (
    1,
    2,
    3,
    4,
    6,
    8,
    11,
    16,
    23,
    32,
    45,
    64,
    91,
    128,
    181,
    256,
    362,
    512,
    724,
    1024,
    1448,
    2048,
    2896,
)  # 1/1024
_EXPECTED = np.searchsorted(EXPECTED_EDGES, np.arange(4096), side="right").astype(np.uint8)
_OBSERVED = np.searchsorted(OBSERVED_EDGES, np.arange(1024), side="right").astype(np.uint8)
_FLAG = np.searchsorted(FLAG_EDGES, np.arange(4096), side="right").astype(np.int8)
_FLAG_OFFSET = 8


@dataclass(frozen=True)
class Layout:
    """How the elements of one component lie in n packets. `block` positions square share an emptiness flag."""

    mapping: Mapping
    block: int  # 2 for luma (8x8 transform), 1 for chroma: 16x16 luma pixels either way

    @property
    def area(self) -> int:
        return self.mapping.height * self.mapping.width

    @cached_property
    def owner(self) -> Bytes:
        """(channels·area,) packet of each element."""
        return self.mapping.packet.reshape(-1)

    @cached_property
    def block_of(self) -> Where:
        """(n·area,) which (packet, block) a (packet, position) belongs to."""
        n, height, width = self.mapping.n, self.mapping.height, self.mapping.width
        j, y, x = np.ogrid[:n, :height, :width]
        rows, columns = height // self.block, width // self.block
        return np.asarray((j * rows + y // self.block) * columns + x // self.block, np.int32).reshape(-1)

    @cached_property
    def block_owner(self) -> Bytes:
        """(n·blocks,) packet of each (packet, block)."""
        blocks = self.area // self.block**2
        return np.repeat(np.arange(self.mapping.n), blocks).astype(np.uint8)

    @cached_property
    def phase_of(self) -> Integers:
        """(channels,) which phase of positions each channel pairs with."""
        return np.arange(self.mapping.channels) * self.mapping.strides[0] % self.mapping.n

    @cached_property
    def spread(self) -> Integers:
        """(n, n): how much the elements of each phase weigh in the neighbourhood of each phase."""
        n, row = self.mapping.n, self.mapping.strides[1]
        spread = np.zeros((n, n), np.int64)
        for dy, weights in zip((-1, 0, 1), _WEIGHTS, strict=True):
            for dx, weight in zip((-1, 0, 1), weights, strict=True):
                np.add.at(spread, (np.arange(n), (np.arange(n) - dx - dy * row) % n), weight)
        return spread

    def by_block(self, per_position: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Sums over blocks of (n, height, width)."""
        if self.block == 1:
            return per_position
        rows = per_position[:, ::2] + per_position[:, 1::2]
        return rows[:, :, ::2] + rows[:, :, 1::2]


@lru_cache(maxsize=24)
def layout(channels: int, height: int, width: int, n: int, block: int) -> Layout:
    return Layout(mapping(channels, height, width, n), block)


def _neighbourhood(activity: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """3x3 weighted sums of (n, H, W), edges repeated."""
    n, height, width = activity.shape
    padded = np.empty((n, height + 2, width + 2), np.int32)
    padded[:, 1:-1, 1:-1] = activity
    padded[:, 0, 1:-1], padded[:, -1, 1:-1] = activity[:, 0], activity[:, -1]
    padded[:, :, 0], padded[:, :, -1] = padded[:, :, 1], padded[:, :, -2]
    rows = padded[:, :-2] + padded[:, 2:]
    rows += 2 * padded[:, 1:-1]
    total: npt.NDArray[np.int32] = rows[:, :, :-2] + rows[:, :, 2:]
    total += 2 * rows[:, :, 1:-1]
    total += 2 * activity
    return np.minimum(total, len(_OBSERVED) - 1, out=total)


class Contexts:
    """Contexts of one component in all packets of one frame, group by group of its channels.

    `scales` (channels,) holds each channel's class, −1: empty."""

    def __init__(self, tables: Tables, place: Layout, component: int, scales: Integers) -> None:
        self._tables, self._place, self._scales = tables, place, scales.astype(np.int8)
        self._mean = np.where(scales >= 0, tables.mean[scales], 0)
        self._component = component
        where = place.mapping
        self.activity = np.zeros((where.n, where.height, where.width), np.int32)
        self.expected = np.zeros(where.n, np.int64)  # by phase, 1/4096

    def inherit(self, other: Contexts) -> None:
        """Start from what luma has told: its activity, pooled to chroma's grid."""
        coarse = other.activity[:, ::2] + other.activity[:, 1::2]
        self.activity = np.ascontiguousarray(coarse[:, :, ::2] + coarse[:, :, 1::2])
        self.expected[:] = 4 * int(other.expected.sum()) // self._place.mapping.n

    def buckets(self) -> Bytes:
        """(n·H·W,) expected bucket · RATIO_BUCKETS + observed bucket."""
        observed = _OBSERVED.take(_neighbourhood(self.activity))
        by_phase = np.minimum((self._place.spread @ self.expected) >> 6, len(_EXPECTED) - 1)
        bucket = (_EXPECTED[by_phase] * np.uint8(RATIO_BUCKETS)).take(self._place.mapping.phase)
        bucket += observed
        return np.asarray(bucket.reshape(-1), np.uint8)

    def steps(self, buckets: Bytes, flagged: bool) -> Steps:
        """What a neighbourhood adds to the class of a channel."""
        adjust = self._tables.adjust[self._component, int(flagged)].ravel().astype(np.int8)
        return np.asarray(adjust.take(buckets), np.int8)

    def dense(self, buckets: Bytes, group: Integers) -> Bytes:
        """(len(group)·area,) class of every element of these channels."""
        classes = self.steps(buckets, False).take(self._place.mapping.cell[group])
        classes += self._scales[group, None]
        return np.asarray(classes.clip(0, CLASSES - 1, out=classes).view(np.uint8).reshape(-1))

    def flags(self, buckets: Bytes, group: Integers) -> Bytes:
        """(n·blocks,) flag class of every block in every packet for this group."""
        where = self._place.mapping
        by_phase = np.bincount(self._place.phase_of[group], self._mean[group], where.n).astype(np.int64) >> 2
        expected = np.minimum(by_phase, 1023).astype(np.int16).take(where.phase)
        bucket = _FLAG.take(self._place.by_block(expected)).astype(np.int16)
        steps = self.steps(buckets, False).reshape(where.phase.shape).astype(np.int16)
        mean_step = self._place.by_block(steps) // self._place.block**2
        classes = (bucket + (2 // PER_OCTAVE) * mean_step + _FLAG_OFFSET).clip(0, FLAG_LADDER - 1)
        own = self._place.by_block(self.activity.astype(np.int16)).clip(0, FLAG_STATES - 1)
        return np.asarray((classes + FLAG_LADDER * own).astype(np.uint8).reshape(-1))

    def flagged(
        self, buckets: Bytes, group: Integers, flags: npt.NDArray[np.bool_]
    ) -> tuple[Where, Where, Bytes, Bytes]:
        """(element, cell, packet, class) of every element of this group in the blocks whose flag is set."""
        cells = np.flatnonzero(flags.take(self._place.block_of)).astype(np.int32)
        phases = self._place.mapping.phase.reshape(-1).take(cells)
        table = self._by_phase(group).take(phases, axis=0)  # (cells, most channels)
        row, column = np.nonzero(table >= 0)
        channels, mine = table[row, column], cells.take(row)
        classes = self.steps(buckets, True).take(mine) + self._scales.take(channels)
        packets, position = np.divmod(mine, self._place.area)
        clipped = classes.clip(0, CLASSES - 1).astype(np.uint8)
        return channels * self._place.area + position, mine, packets.astype(np.uint8), clipped

    def _by_phase(self, group: Integers) -> npt.NDArray[np.int32]:
        """(n, most): the channels of the group that go with each phase, filled up with −1."""
        phases = self._place.phase_of[group]
        counts = np.bincount(phases, minlength=self._place.mapping.n)
        table = np.full((self._place.mapping.n, int(counts.max())), -1, np.int32)
        order = np.argsort(phases, kind="stable")
        rank = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        table[phases[order], rank] = group[order]
        return table

    def update(self, group: Integers, cells: Where, values: npt.NDArray[np.int16]) -> None:
        """Take in the values of a group: those that are not zero, and where they are."""
        weights = np.minimum(np.abs(values.astype(np.int32)), LARGEST_COUNTED)
        total = np.bincount(cells, weights, self.activity.size).astype(np.int32)
        self.activity += total.reshape(self.activity.shape)
        np.add.at(self.expected, self._place.phase_of[group], self._mean[group])
