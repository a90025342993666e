"""The residual of a frame in n packets, element by element. Owns components and groups; the walk itself is compiled
(kernels/residual.py), the same one for both ends and for fitting.

Luma first, then chroma; in each the channels with the largest means first, in groups. The first groups are coded
element by element. The others are sparse: one symbol tells for a strip of up to six elements (one packet, one
position) which is the first that is not zero; then come its value and, one by one, the elements after it. Symbols of a
group go by table, then in the order of channels and positions (strips: of six channels, then positions).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grace_codec.entropy import ans
from grace_codec.entropy import residual_kernels as kernels
from grace_codec.entropy.contexts import EXPECTED_BUCKET, OBSERVED_BUCKET, Layout, layout
from grace_codec.entropy.tables import ALPHABET, CHROMA, LUMA, RATIO_BUCKETS, Integers, Tables
from grace_codec.runtime.thread_pool import in_parts

Values = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint32]
Records = npt.NDArray[np.int32]

DENSE_GROUPS = (2, 0)  # groups without strips, of luma and of chroma

_NO_WORDS, _NO_RECORDS = np.zeros(0, np.uint32), np.zeros((0, 2), np.int32)
_NOTHING_SEEN = np.zeros((0, 0, 0), np.int64)


@dataclass(frozen=True, slots=True)
class Planes:
    """The residual by component: luma (frequencies, 2H, 2W), chroma (2·frequencies, H, W), each flattened."""

    luma: Values
    chroma: Values

    def __getitem__(self, component: int) -> Values:
        return self.luma if component == LUMA else self.chroma


def split(residual: Values, luma: int) -> Planes:
    """(4·luma + chroma, H, W) with four sub-blocks per luma frequency -> planes of their own."""
    _, height, width = residual.shape
    blocks = residual[: 4 * luma].reshape(luma, 2, 2, height, width)
    shuffled = np.ascontiguousarray(blocks.transpose(0, 3, 1, 4, 2)).reshape(-1)
    return Planes(shuffled, residual[4 * luma :].reshape(-1).copy())


def merge(planes: Planes, luma: int, height: int, width: int) -> Values:
    """The inverse of `split`, for any dtype."""
    blocks = planes.luma.reshape(luma, height, 2, width, 2).transpose(0, 2, 4, 1, 3)
    chroma = planes.chroma.reshape(-1, height, width)
    return np.concatenate([blocks.reshape(-1, height, width), chroma])


def layouts(tables: Tables, height: int, width: int, n: int) -> tuple[Layout, Layout]:
    """Of luma and chroma, for latents of (height, width)."""
    luma = layout(tables.luma, 2 * height, 2 * width, n)
    return luma, layout(tables.channels - tables.luma, height, width, n)


class _Channels(NamedTuple):
    """A component's channels as the walk wants them: numbered from 0, in coding order, cut into groups at `bounds`."""

    order: Integers
    bounds: Integers
    dense: int
    adjust: Integers  # (2, 256)
    scales: slice  # of all channels' classes


def _channels(tables: Tables, component: int) -> _Channels:
    first, last = ((0, tables.luma), (tables.luma, tables.channels))[component]
    groups = tables.groups[component]
    order = np.array([c - first for group in groups for c in group], np.int64)
    bounds = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    adjust = np.ascontiguousarray(tables.adjust[component].reshape(2, -1))
    return _Channels(order, bounds, DENSE_GROUPS[component], adjust, slice(first, last))


def _cumulative(tables: Tables) -> Integers:
    """All rows of the residual's tables as sums of frequencies from 0, in the kernel's order."""
    rows = np.full((kernels.RUNS + len(tables.run), ALPHABET + 1), 1 << ans.PRECISION, np.int64)
    rows[:, 0] = 0
    for first, table in (
        (kernels.RESIDUAL, tables.residual),
        (kernels.LEADING, tables.leading),
        (kernels.RUNS, tables.run),
    ):
        rows[first : first + len(table), 1 : table.shape[1] + 1] = table.cumsum(1)
    return rows


class ResidualCoder:
    """Codes the residual with one profile's tables. Packets know nothing of each other."""

    def __init__(self, tables: Tables) -> None:
        self._mean = np.ascontiguousarray(tables.mean)
        self._cumulative = _cumulative(tables)
        self._channels = _channels(tables, LUMA), _channels(tables, CHROMA)
        self._scratch = _Scratch()

    def encode(self, planes: Planes, places: tuple[Layout, Layout], scales: Integers) -> list[Words]:
        """Each packet's words, of a stack that holds the residual alone. scales: class of each channel, −1: empty."""
        out = [_NO_WORDS] * places[0].mapping.n

        def some_packets(first: int, last: int) -> None:
            records, words, _ = self._scratch.room(places)
            for j in range(first, last):
                count = self._visit(j, planes, places, scales, records)
                out[j] = words[: ans.push(records, count, self._cumulative, words)].copy()

        in_parts(some_packets, len(out))
        return out

    def decode(
        self, words: dict[int, Words], planes: Planes, places: tuple[Layout, Layout], scales: dict[int, Integers]
    ) -> None:
        """Fill in the elements of these packets, each with its own scales. Never raises for the words."""
        packets = list(words)

        def some_packets(first: int, last: int) -> None:
            for j in packets[first:last]:
                self._visit(j, planes, places, scales[j], words=words[j])

        in_parts(some_packets, len(packets))

    def record(
        self, planes: Planes, places: tuple[Layout, Layout], scales: Integers
    ) -> tuple[Records, tuple[Integers, Integers]]:
        """For fitting: all symbols as (row of the kernel's table, symbol); and for each component (2, 2, 256): by
        whether a non-zero came before, the sum of magnitudes and of their classes' means (1/4096), by bucket."""
        seen = [np.zeros((2, 2, RATIO_BUCKETS**2), np.int64) for _ in range(2)]
        found = []
        records = self._scratch.room(places)[0]
        for j in range(places[0].mapping.n):
            found.append(records[: self._visit(j, planes, places, scales, records, seen=seen)].copy())
        return np.concatenate(found), (seen[LUMA], seen[CHROMA])

    def _visit(
        self,
        j: int,
        planes: Planes,
        places: tuple[Layout, Layout],
        scales: Integers,
        records: Records = _NO_RECORDS,
        words: Words | None = None,
        seen: list[Integers] | None = None,
    ) -> int:
        """Visit the elements of packet j in coding order; with `words`: decode them, else record them."""
        decoding, stack = words is not None, np.zeros(2, np.uint64)
        if words is None:
            words = _NO_WORDS
        ans.open_stack(words, stack)
        work = self._scratch.room(places)[2]
        recorded = 0
        magnitudes = np.zeros(0, np.int32)
        expected = np.zeros(places[0].mapping.n, np.int64)
        for component, (place, mine) in enumerate(zip(places, self._channels, strict=True)):
            where, fine = place.mapping, magnitudes
            magnitudes, totals = np.zeros((2, place.area), np.int32)
            if component == CHROMA:
                kernels.pool(fine, where.height, where.width, magnitudes, totals)
                expected[:] = 4 * int(expected.sum()) // where.n
            recorded = kernels.component(
                decoding, place.phase[j], where.height, where.width, where.phase_of, mine.order, mine.bounds,
                mine.dense, np.ascontiguousarray(scales[mine.scales]), place.spread, mine.adjust, self._mean,
                EXPECTED_BUCKET, OBSERVED_BUCKET, planes[component], magnitudes, totals, expected, self._cumulative,
                words, stack, records, recorded, work, seen[component] if seen else _NOTHING_SEEN,
            )  # fmt: skip
        return recorded


class _Scratch(threading.local):
    """Memory of each thread, which grows with the largest packet so far."""

    def __init__(self) -> None:
        self._held: tuple[Records, Words, Records] | None = None

    def room(self, places: tuple[Layout, Layout]) -> tuple[Records, Words, Records]:
        """Records of one packet (of each element at most a strip, value and escape), its words, the walk's work."""
        size = max(256, 3 * sum(place.elements for place in places))
        if self._held is None or len(self._held[0]) < size:
            work = np.empty((7, size), np.int32)
            self._held = np.empty((size, 2), np.int32), np.empty(size + 2, np.uint32), work
        return self._held
