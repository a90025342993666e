"""The order in which the residual of a frame is coded, the same for both ends and for fitting. Owns components, groups,
emptiness flags; refuses to know coders and bytes.

Luma first, then chroma; in each the channels with the largest means first, in groups. The first groups are coded
element by element; in the others a flag per packet and 16x16 block says whether there is anything, and only there
elements are coded: a still background costs next to nothing, in bits and in time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.contexts import Bytes, Contexts, Layout, Where, layout
from grace_codec.entropy.tables import CHROMA, LUMA, Integers, Tables

Values = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]

DENSE_GROUPS = (5, 3)  # groups without flags, of luma and of chroma


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
    luma = layout(tables.luma, 2 * height, 2 * width, n, 2)
    return luma, layout(tables.channels - tables.luma, height, width, n, 1)


class Code(Protocol):
    """What happens to the elements on the walk: coded, decoded, or counted."""

    def flags(self, component: int, group: Integers, packets: Bytes, classes: Bytes, where: Where) -> Flags:
        """Whether the blocks `where` (indices of (packet, block)) hold anything of this group."""
        ...

    def values(self, component: int, packets: Bytes, classes: Bytes, elements: Where) -> Values:
        """The values of these elements of the component's flat plane."""
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
                visit = _dense if index < DENSE_GROUPS[component] else _flagged
                visit(place, contexts, component, channels, received, code)


def _dense(place: Layout, contexts: Contexts, component: int, group: Integers, received: Flags, code: Code) -> None:
    classes = contexts.dense(contexts.buckets(), group)
    elements = (group[:, None] * place.area + np.arange(place.area)).astype(np.int32).reshape(-1)
    packets = place.owner.take(elements)
    if not received.all():
        mine = np.flatnonzero(received.take(packets))
        elements, packets, classes = elements.take(mine), packets.take(mine), classes.take(mine)
    values = code.values(component, packets, classes, elements)
    hit = np.flatnonzero(values)
    contexts.update(group, place.mapping.cell.reshape(-1).take(elements.take(hit)), values.take(hit))


def _flagged(place: Layout, contexts: Contexts, component: int, group: Integers, received: Flags, code: Code) -> None:
    buckets = contexts.buckets()
    classes, packets = contexts.flags(buckets, group), place.block_owner
    where = np.arange(len(classes), dtype=np.int32)
    if not received.all():
        where = np.flatnonzero(received.take(packets)).astype(np.int32)
        classes, packets = classes.take(where), packets.take(where)
    flags = np.zeros(len(place.block_owner), np.bool_)
    flags[where] = code.flags(component, group, packets, classes, where)
    elements, cells, packets, classes = contexts.flagged(buckets, group, flags)
    values = code.values(component, packets, classes, elements)
    hit = np.flatnonzero(values)
    contexts.update(group, cells.take(hit), values.take(hit))
