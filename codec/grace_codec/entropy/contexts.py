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

from grace_codec.entropy.tables import CLASSES, RATIO_BUCKETS, RUN, Integers, Tables
from grace_codec.packets.mapping import Mapping, mapping

Bytes = npt.NDArray[np.uint8]
Steps = npt.NDArray[np.int8]
Where = npt.NDArray[np.int32]

LARGEST_COUNTED = 15  # one huge value must not speak for its whole neighbourhood
_WEIGHTS = ((1, 2, 1), (2, 6, 2), (1, 2, 1))

# upper ends of the buckets; part of the bitstream (docs/bitstream.md)
EXPECTED_EDGES = (2, 3, 5, 8, 13, 22, 36, 60, 100, 170, 280, 470, 780, 1300, 2200)  # 1/64 magnitude
OBSERVED_EDGES = (1, 2, 3, 4, 6, 9, 13, 19, 28, 41, 60, 88, 129, 190, 280)
_EXPECTED = np.searchsorted(EXPECTED_EDGES, np.arange(4096), side="right").astype(np.uint8)
_OBSERVED = np.searchsorted(OBSERVED_EDGES, np.arange(1024), side="right").astype(np.uint8)


@dataclass(frozen=True)
class Layout:
    """How the elements of one component lie in n packets."""

    mapping: Mapping

    @property
    def area(self) -> int:
        return self.mapping.height * self.mapping.width

    @cached_property
    def cell_owner(self) -> Bytes:
        """(n·area,) packet of each (packet, position)."""
        return np.repeat(np.arange(self.mapping.n), self.area).astype(np.uint8)

    @cached_property
    def spread(self) -> Integers:
        """(n, n): how much the elements of each phase weigh in the neighbourhood of each phase."""
        n, row = self.mapping.n, self.mapping.strides[1]
        spread = np.zeros((n, n), np.int64)
        for dy, weights in zip((-1, 0, 1), _WEIGHTS, strict=True):
            for dx, weight in zip((-1, 0, 1), weights, strict=True):
                np.add.at(spread, (np.arange(n), (np.arange(n) - dx - dy * row) % n), weight)
        return spread


@lru_cache(maxsize=16)
def layout(channels: int, height: int, width: int, n: int) -> Layout:
    return Layout(mapping(channels, height, width, n))


@dataclass(frozen=True, slots=True)
class Strips:
    """Strips of a group of channels: up to RUN elements of one packet at one position, in coding order.

    A strip is numbered part·n·area + packet·area + position. `channels` (phases, parts·RUN) holds the channels that
    travel with each phase, −1 beyond their number; `rank` (channels,) is a channel's column there."""

    channels: npt.NDArray[np.int32]
    rank: npt.NDArray[np.int32]
    where: Where  # the strips with any element
    packets: Bytes
    tables: Bytes  # of the run: (length − 1)·CLASSES + class


class _Activity:
    """Magnitudes decoded so far, (n, H, W) with edges repeated once around, and the observed bucket of each place.

    Buckets are brought up to date around new magnitudes only: most of a picture stays still."""

    def __init__(self, n: int, height: int, width: int) -> None:
        self._shape = n, height, width
        self._padded = np.zeros((n, height + 2, width + 2), np.int32)
        self.observed = np.zeros(n * height * width, np.uint8)

    @property
    def magnitudes(self) -> npt.NDArray[np.int32]:
        return self._padded[:, 1:-1, 1:-1]

    def add(self, cells: Where, weights: npt.NDArray[np.int32]) -> None:
        """Add weights at cells (packet·H·W + position)."""
        _, height, width = self._shape
        row, x = np.divmod(cells, width)
        j, y = np.divmod(row, height)
        np.add.at(self._padded, (j, y + 1, x + 1), weights)
        self._repeat_edges()
        touched = np.zeros(self._shape, np.bool_)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                touched[j, np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)] = True
        self._update(np.flatnonzero(touched))

    def set(self, magnitudes: npt.NDArray[np.int32]) -> None:
        self._padded[:, 1:-1, 1:-1] = magnitudes
        self._repeat_edges()
        self._update(np.flatnonzero(np.ones(self._shape, np.bool_)))

    def _repeat_edges(self) -> None:
        padded = self._padded
        padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
        padded[:, :, 0], padded[:, :, -1] = padded[:, :, 1], padded[:, :, -2]

    def _update(self, cells: npt.NDArray[np.int64]) -> None:
        _, height, width = self._shape
        row, x = np.divmod(cells, width)
        corner = (row + row // height * 2) * (width + 2) + x  # of the 3x3 neighbourhood, in the padded map
        flat, total = self._padded.reshape(-1), np.zeros(len(cells), np.int32)
        for dy, weights in enumerate(_WEIGHTS):
            for dx, weight in enumerate(weights):
                total += weight * flat.take(corner + dy * (width + 2) + dx)
        self.observed[cells] = _OBSERVED.take(np.minimum(total, len(_OBSERVED) - 1))


def _bounded(classes: Steps) -> Bytes:
    """Clip to the classes there are, in place."""
    np.maximum(classes, 0, out=classes)
    return np.minimum(classes, CLASSES - 1, out=classes).view(np.uint8)


class Contexts:
    """Contexts of one component in all packets of one frame, group by group of its channels.

    `scales` (channels,) holds each channel's class, −1: empty."""

    def __init__(self, tables: Tables, place: Layout, component: int, scales: Integers) -> None:
        self._tables, self._place, self._scales = tables, place, scales.astype(np.int8)
        self._mean = np.where(scales >= 0, tables.mean[scales], 0)
        self._component = component
        where = place.mapping
        self.activity = _Activity(where.n, where.height, where.width)
        self.expected = np.zeros(where.n, np.int64)  # by phase, 1/4096

    def inherit(self, other: Contexts) -> None:
        """Start from what luma has told: its activity, pooled to chroma's grid."""
        fine = other.activity.magnitudes
        rows = fine[:, ::2] + fine[:, 1::2]
        self.activity.set(rows[:, :, ::2] + rows[:, :, 1::2])
        self.expected[:] = 4 * int(other.expected.sum()) // self._place.mapping.n

    def buckets(self) -> Bytes:
        """(n·H·W,) expected bucket · RATIO_BUCKETS + observed bucket."""
        by_phase = np.minimum((self._place.spread @ self.expected) >> 6, len(_EXPECTED) - 1)
        bucket = (_EXPECTED[by_phase] * np.uint8(RATIO_BUCKETS)).take(self._place.mapping.phase.reshape(-1))
        bucket += self.activity.observed
        return np.asarray(bucket, np.uint8)

    def steps(self, buckets: Bytes, after_nonzero: bool) -> Steps:
        """What a neighbourhood adds to the class of a channel."""
        adjust = self._tables.adjust[self._component, int(after_nonzero)].ravel().astype(np.int8)
        return np.asarray(adjust.take(buckets), np.int8)

    def dense(self, buckets: Bytes, group: Integers) -> Bytes:
        """(len(group)·area,) class of every element of these channels."""
        classes = self.steps(buckets, False).take(self._place.mapping.cell_rows[self._place.mapping.phase_of[group]])
        classes += self._scales[group, None]
        return np.asarray(_bounded(classes).reshape(-1))

    def strips(self, buckets: Bytes, group: Integers) -> Strips:
        """All strips of these channels with the class of each: mean scale of its channels and step of its position."""
        channels, rank = self._by_phase(group)
        where, phase = self._place.mapping, self._place.mapping.phase.reshape(-1)
        steps = self.steps(buckets, False)
        found = []
        for part in range(channels.shape[1] // RUN):
            columns = channels[:, part * RUN : (part + 1) * RUN]
            count = (columns >= 0).sum(1)
            mean = np.where(columns >= 0, self._mean[columns], 0).sum(1) // np.maximum(count, 1)
            scale = np.minimum(np.searchsorted(self._tables.mean, mean), CLASSES - 1).astype(np.int8)
            classes = steps + scale.take(phase)
            base = ((np.maximum(count, 1) - 1) * CLASSES).astype(np.uint8).take(phase)
            tables = base + _bounded(classes)
            some = np.flatnonzero((count > 0).take(phase))
            found.append(
                (some + part * where.n * self._place.area, self._place.cell_owner.take(some), tables.take(some))
            )
        strips, packets, tables = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return Strips(channels, rank, strips.astype(np.int32), packets, tables)

    def elements(self, strips: Strips, where: Where, column: Integers) -> tuple[Where, Where]:
        """(element, cell) at a column of each strip; element −1 where the strip is shorter."""
        part, cell = np.divmod(where, len(self._place.cell_owner))
        phase = self._place.mapping.phase.reshape(-1).take(cell)
        channel = strips.channels[phase, part * RUN + column]
        return np.where(channel >= 0, channel * self._place.area + cell % self._place.area, -1), cell

    def singly(self, buckets: Bytes, elements: Where, cells: Where, after_nonzero: bool) -> Bytes:
        """Class of each of these elements, whose cells are given."""
        classes = self.steps(buckets.take(cells), after_nonzero) + self._scales.take(elements // self._place.area)
        return np.asarray(_bounded(classes))

    def _by_phase(self, group: Integers) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """(n, multiple of RUN): the channels of the group that go with each phase; and each channel's column."""
        phases = self._place.mapping.phase_of[group]
        counts = np.bincount(phases, minlength=self._place.mapping.n)
        width = -(-int(counts.max()) // RUN) * RUN
        order = np.argsort(phases, kind="stable")
        column = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        table = np.full((self._place.mapping.n, width), -1, np.int32)
        table[phases[order], column] = group[order]
        rank = np.zeros(self._place.mapping.channels, np.int32)
        rank[group[order]] = column
        return table, rank

    def update(self, group: Integers, cells: Where, values: npt.NDArray[np.int16]) -> None:
        """Take in the values of a group: those that are not zero, and where they are."""
        if len(cells):
            self.activity.add(cells, np.minimum(np.abs(values.astype(np.int32)), LARGEST_COUNTED))
        np.add.at(self.expected, self._place.mapping.phase_of[group], self._mean[group])
