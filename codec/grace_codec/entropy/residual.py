"""The residual of a frame in n packets. Owns components and groups; the walk over a packet is compiled
(residual_kernels.py), the same one for encoder, decoder and fitting.

A quantized residual is mostly zeros, and where it is not, magnitudes cluster: a moving edge fills neighbouring
positions and many frequencies at once. Three methods turn that into bits saved.

- *Context modelling.* The frequency table of an element is chosen by its channel's class and by the magnitudes of the
  same packet that are decoded already in its neighbourhood (contexts.py). Both ends see the same neighbours, so that
  nothing is sent for it (backward adaptation); no other packet is looked at, so that any packet can be lost.
- *Order.* Luma goes before chroma, and in each the channels of the largest mean magnitude first, in groups: what is
  certain to be busy tells where the others are busy.
- *Zero runs.* Outside the first groups most elements are zero, and coding each by itself wastes time and the fraction
  of a bit that a short code cannot save. Up to six elements of one position form a run: one symbol says which is the
  first *significant* one, that is not zero, or that none is. Its value follows, from tables without zero, and then the
  elements after it one by one. JPEG's zero runs and the significance maps of H.264 and H.265 use the same idea.

Within a group all run symbols come first, then all first values, then all elements after them; each of these by table,
then in the order of channels and positions (runs: of six channels, then positions).
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
from grace_codec.runtime.jit import read_only
from grace_codec.runtime.thread_pool import in_parts

Values = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint32]
Records = npt.NDArray[np.int32]

DENSE_GROUPS = (2, 0)  # groups that are coded element by element, of luma and of chroma

_NO_WORDS, _NO_RECORDS = read_only(np.zeros(0, np.uint32)), np.zeros((0, 2), np.int32)
_NO_COUNTS = np.zeros((0, 0, 0), np.int64)


@dataclass(frozen=True, slots=True)
class ResidualPlanes:
    """The residual by component: luma (frequencies, 2H, 2W), chroma (2·frequencies, H, W), each flattened."""

    luma: Values
    chroma: Values

    def __getitem__(self, component: int) -> Values:
        return self.luma if component == LUMA else self.chroma


def split(residual: Values, luma: int) -> ResidualPlanes:
    """(4·luma + chroma, H, W) with four sub-blocks per luma frequency -> planes of their own."""
    _, height, width = residual.shape
    blocks = residual[: 4 * luma].reshape(luma, 2, 2, height, width)
    shuffled = np.ascontiguousarray(blocks.transpose(0, 3, 1, 4, 2)).reshape(-1)
    return ResidualPlanes(shuffled, residual[4 * luma :].reshape(-1).copy())


def merge(planes: ResidualPlanes, luma: int, height: int, width: int) -> Values:
    """The inverse of `split`, for any dtype."""
    blocks = planes.luma.reshape(luma, height, 2, width, 2).transpose(0, 2, 4, 1, 3)
    chroma = planes.chroma.reshape(-1, height, width)
    return np.concatenate([blocks.reshape(-1, height, width), chroma])


def layouts(tables: Tables, height: int, width: int, n: int) -> tuple[Layout, Layout]:
    """Of luma and chroma, for latents of (height, width)."""
    luma = layout(tables.luma, 2 * height, 2 * width, n)
    return luma, layout(tables.channels - tables.luma, height, width, n)


def _component_tables(tables: Tables, component: int) -> kernels.ComponentTables:
    """A component's part of the tables as the walk wants it: channels numbered from 0."""
    first, groups = (0, tables.luma)[component], tables.groups[component]
    order = np.array([c - first for group in groups for c in group], np.int64)
    bounds = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    return kernels.ComponentTables(
        read_only(order), read_only(bounds), DENSE_GROUPS[component],
        read_only(tables.adjust[component].reshape(2, -1)), read_only(tables.mean),
        read_only(EXPECTED_BUCKET), read_only(OBSERVED_BUCKET),
    )  # fmt: skip


def _cumulative(tables: Tables) -> Integers:
    """All rows of the residual's tables as sums of frequencies from 0, in the order of the kernels."""
    rows = np.full((kernels.ZERO_RUN + len(tables.zero_run), ALPHABET + 1), 1 << ans.PRECISION, np.int64)
    rows[:, 0] = 0
    for first, table in (
        (kernels.RESIDUAL, tables.residual),
        (kernels.SIGNIFICANT, tables.significant),
        (kernels.ZERO_RUN, tables.zero_run),
    ):
        rows[first : first + len(table), 1 : table.shape[1] + 1] = table.cumsum(1)
    return rows


class ResidualCoder:
    """Codes the residual with one profile's tables. Packets know nothing of each other."""

    def __init__(self, tables: Tables) -> None:
        self._cumulative = read_only(_cumulative(tables))
        self._tables = _component_tables(tables, LUMA), _component_tables(tables, CHROMA)
        self._scratch = _Scratch()

    def encode(self, planes: ResidualPlanes, places: tuple[Layout, Layout], scales: Integers) -> list[Words]:
        """Each packet's words, of a stack that holds the residual alone. scales: class of each channel, −1: empty."""
        out: list[Words] = [_NO_WORDS] * places[0].mapping.n

        def some_packets(first: int, last: int) -> None:
            memory = self._scratch.room(places)
            for j in range(first, last):
                count = self._visit(j, planes, places, scales, self._recorder(memory.records), memory.work)
                out[j] = memory.words[: ans.encode(memory.records, count, self._cumulative, memory.words)].copy()

        in_parts(some_packets, len(out))
        return out

    def decode(
        self,
        words: dict[int, Words],
        planes: ResidualPlanes,
        places: tuple[Layout, Layout],
        scales: dict[int, Integers],
    ) -> None:
        """Fill in the elements of these packets, each with its own scales. Never raises for the words."""
        packets = list(words)

        def some_packets(first: int, last: int) -> None:
            work = self._scratch.room(places).work
            for j in packets[first:last]:
                self._visit(j, planes, places, scales[j], self._decoder(words[j]), work)

        in_parts(some_packets, len(packets))

    def record(
        self, planes: ResidualPlanes, places: tuple[Layout, Layout], scales: Integers
    ) -> tuple[Records, tuple[Integers, Integers]]:
        """For fitting: all symbols as (row of the kernels' table, symbol), RAW ones among them; and counts of luma and
        of chroma, (2, 2, 256) each, as `residual_kernels.code_packet` makes them."""
        luma, chroma = np.zeros((2, 2, 2, RATIO_BUCKETS**2), np.int64)
        found = []
        memory = self._scratch.room(places)
        for j in range(places[0].mapping.n):
            coder = self._recorder(memory.records)
            recorded = self._visit(j, planes, places, scales, coder, memory.work, (luma, chroma))
            found.append(memory.records[:recorded].copy())
        return np.concatenate(found), (luma, chroma)

    def _recorder(self, records: Records) -> kernels.SymbolCoder:
        """An encoder of one packet."""
        return kernels.SymbolCoder(
            False, _NO_WORDS, np.zeros(2, np.uint64), records, np.zeros(1, np.int64), self._cumulative
        )

    def _decoder(self, words: Words) -> kernels.SymbolCoder:
        stack = np.zeros(2, np.uint64)
        ans.open_stack(words, stack)
        return kernels.SymbolCoder(True, read_only(words), stack, _NO_RECORDS, np.zeros(1, np.int64), self._cumulative)

    def _visit(
        self,
        j: int,
        planes: ResidualPlanes,
        places: tuple[Layout, Layout],
        scales: Integers,
        coder: kernels.SymbolCoder,
        work: Records,
        counts: tuple[Integers, Integers] = (_NO_COUNTS, _NO_COUNTS),
    ) -> int:
        """Visit the elements of packet j in coding order. Returns the number of symbols recorded."""
        luma, chroma = places
        kernels.code_packet(
            coder, luma.packet(j), chroma.packet(j), *self._tables, scales, planes.luma, planes.chroma, work, *counts
        )
        return int(coder.recorded[0])


class _Memory(NamedTuple):
    """Records of one packet (of each element at most a run, a value and an escape), its words, and the walk's work."""

    records: Records
    words: Words
    work: Records


class _Scratch(threading.local):
    """Memory of each thread, which grows with the largest packet so far."""

    def __init__(self) -> None:
        self._memory: _Memory | None = None

    def room(self, places: tuple[Layout, Layout]) -> _Memory:
        """Memory for any packet of these layouts; its contents are undefined."""
        size = max(256, 3 * sum(place.elements for place in places))
        if self._memory is None or len(self._memory.records) < size:
            work = np.empty((7, size), np.int32)
            self._memory = _Memory(np.empty((size, 2), np.int32), np.empty(size + 2, np.uint32), work)
        return self._memory
