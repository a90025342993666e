"""The order in which the residual of a frame is coded, the same for both ends and for fitting. Owns components, groups,
strips; refuses to know coders and bytes.

Luma first, then chroma; in each the channels with the largest means first, in groups. The first groups are coded
element by element. The others are sparse: one symbol tells for a strip of up to six elements (one packet, one position)
which is the first that is not zero; then come its value and, one by one, the elements after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.contexts import Bytes, Contexts, Layout, Strips, Where, layout
from grace_codec.entropy.tables import CHROMA, LUMA, RUN, Integers, Tables

Values = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]
Columns = npt.NDArray[np.int16]

DENSE_GROUPS = (2, 0)  # groups without strips, of luma and of chroma


@dataclass(frozen=True, slots=True)
class Planes:
    """The residual by component: luma (frequencies, 2H, 2W), chroma (2·frequencies, H, W), each flattened."""

    luma: Values
    chroma: Values

    def __getitem__(self, component: int) -> Values:
        return self.luma if component == LUMA else self.chroma


def split(residual: Values, luma: int) -> Planes:
    """(4·luma + chroma, H, W) with four sub-blocks per luma frequency -> planes."""
    _, height, width = residual.shape
    blocks = residual[: 4 * luma].reshape(luma, 2, 2, height, width)
    shuffled = blocks.transpose(0, 3, 1, 4, 2).reshape(-1)
    return Planes(shuffled, residual[4 * luma :].reshape(-1))


def merge(planes: Planes, luma: int, height: int, width: int) -> Values:
    """The inverse of `split`, for any dtype."""
    blocks = planes.luma.reshape(luma, height, 2, width, 2).transpose(0, 2, 4, 1, 3)
    chroma = planes.chroma.reshape(-1, height, width)
    return np.concatenate([blocks.reshape(-1, height, width), chroma])


def layouts(tables: Tables, height: int, width: int, n: int) -> tuple[Layout, Layout]:
    """Of luma and chroma, for latents of (height, width)."""
    luma = layout(tables.luma, 2 * height, 2 * width, n)
    return luma, layout(tables.channels - tables.luma, height, width, n)


class Code(Protocol):
    """What happens to the elements on the walk: coded, decoded, or counted."""

    def firsts(self, component: int, group: Integers, strips: Strips) -> Columns:
        """For each strip 0 where it is all zero, else 1 + the column of the first element that is not."""
        ...

    def values(self, component: int, packets: Bytes, classes: Bytes, elements: Where, leading: bool = False) -> Values:
        """The values of these elements of the component's flat plane. `leading`: none of them is zero."""
        ...


Make = Callable[[Tables, Layout, int, Integers], Contexts]


def walk(
    tables: Tables,
    places: tuple[Layout, Layout],
    scales: Integers,
    received: Flags,
    code: Code,
    make: Make = Contexts,
) -> None:
    """Visit all elements of the packets marked in `received` (n,), in coding order."""
    contexts: Contexts | None = None
    for component, first in ((LUMA, 0), (CHROMA, tables.luma)):
        place = places[component]
        mine = scales[first : first + place.mapping.channels]
        previous, contexts = contexts, make(tables, place, component, mine)
        if previous is not None:
            contexts.inherit(previous)
        for index, group in enumerate(tables.groups[component]):
            channels = np.array([c - first for c in group if scales[c] >= 0], np.int64)
            if channels.size:
                visit = _dense if index < DENSE_GROUPS[component] else _sparse
                visit(place, contexts, component, channels, received, code)


def _dense(place: Layout, contexts: Contexts, component: int, group: Integers, received: Flags, code: Code) -> None:
    classes = contexts.dense(contexts.buckets(), group)
    elements = (group[:, None] * place.area + np.arange(place.area)).astype(np.int32).reshape(-1)
    packets = place.mapping.packet_rows[place.mapping.phase_of[group]].reshape(-1)
    if not received.all():
        mine = np.flatnonzero(received.take(packets))
        elements, packets, classes = elements.take(mine), packets.take(mine), classes.take(mine)
    values = code.values(component, packets, classes, elements)
    hit = np.flatnonzero(values != 0)
    contexts.update(group, place.mapping.cells(elements.take(hit)), values.take(hit))


def _sparse(place: Layout, contexts: Contexts, component: int, group: Integers, received: Flags, code: Code) -> None:
    buckets = contexts.buckets()
    strips = contexts.strips(buckets, group)
    if not received.all():
        strips = _only(strips, received)
    firsts = code.firsts(component, group, strips)
    hit = np.flatnonzero(firsts != 0)
    where, packets, column = strips.where.take(hit), strips.packets.take(hit), firsts.take(hit).astype(np.int64) - 1
    leading, cells = contexts.elements(strips, where, column)
    classes = contexts.singly(buckets, leading, cells, False)
    values = code.values(component, packets, classes, leading, leading=True)
    later = np.arange(1, RUN)
    row, ahead = np.nonzero(column[:, None] + later < RUN)
    rest, rest_cells = contexts.elements(strips, where.take(row), column.take(row) + later.take(ahead))
    some = np.flatnonzero(rest >= 0)
    rest, rest_cells, packets = rest.take(some), rest_cells.take(some), packets.take(row.take(some))
    classes = contexts.singly(buckets, rest, rest_cells, True)
    more = code.values(component, packets, classes, rest)
    kept = np.flatnonzero(more != 0)
    contexts.update(group, np.concatenate([cells, rest_cells.take(kept)]), np.concatenate([values, more.take(kept)]))


def _only(strips: Strips, received: Flags) -> Strips:
    """The strips of the packets that arrived."""
    mine = np.flatnonzero(received.take(strips.packets))
    return replace(
        strips, where=strips.where.take(mine), packets=strips.packets.take(mine), tables=strips.tables.take(mine)
    )


def first_columns(place: Layout, strips: Strips, elements: Where) -> Columns:
    """What `Code.firsts` is to tell, from the elements of the group that are not zero."""
    channel = elements // place.area
    rank = strips.rank.take(channel)
    cell = place.mapping.cells(elements)
    strip = rank // RUN * len(place.cell_owner) + cell
    keys = np.sort(strip.astype(np.int64) * RUN + rank % RUN)[::-1]  # the first column of a strip is written last
    firsts = np.zeros(strips.channels.shape[1] // RUN * len(place.cell_owner), np.int16)
    firsts[keys // RUN] = keys % RUN + 1
    return np.asarray(firsts.take(strips.where), np.int16)
