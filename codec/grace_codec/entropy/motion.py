"""Motion vectors of one packet, coarse to fine. Owns their prediction and contexts; refuses to know bytes.

A packet must be decodable without the others, so a vector can only be predicted from vectors of its own packet, which
are spread over the frame. Predicting from coarse to fine makes the nearest of them available first.

Each packet holds every n-th vector. A pyramid of blocks (one block for the frame, then halves, down to single
vectors) gives each block a representative: the first vector of this packet inside it. A block takes its parent's
representative over where it is its own; else that vector is coded against the median of the parent's representative and
the two neighbouring parents' on its side. The context is how far these three are apart, the component, and how fine the
block is. All packets of a frame are handled at once: arrays are (2, n, rows, columns) int16 vectors in quarter pels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from grace_codec.entropy import motion_kernels as kernels
from grace_codec.entropy.mapping import mapping

Vectors = npt.NDArray[np.int32]
Where = npt.NDArray[np.int64]
Contexts = npt.NDArray[np.int64]

_FINE, _MEDIUM = 0, 1


@dataclass(frozen=True)
class Layer:
    """One layer of the pyramid for all n packets, blocks flattened to n·rows·columns."""

    parents: Where  # (3, blocks) indices into the parent layer: own, horizontal neighbour, vertical neighbour
    coded: Where  # blocks whose representative is coded in this layer
    vector: Where  # (len(coded),) flat index y·width + x of that representative
    packet: Where  # (len(coded),) non-decreasing
    band: int  # 0 single vectors, 1 blocks of two by two, 2 coarser


def _representatives(owner: npt.NDArray[np.uint8], n: int, size: int) -> Where:
    """(n, rows, columns): flat index of the first vector of packet j in each block of size x size, or −1."""
    height, width = owner.shape
    rows, columns = -(-height // size), -(-width // size)
    y, x = np.divmod(np.arange(height * width)[::-1], width)  # backwards: the first one is written last
    found = np.full((n, rows, columns), -1, np.int64)
    found[owner[y, x], y // size, x // size] = y * width + x
    return found


@lru_cache(maxsize=12)
def layers(height: int, width: int, n: int) -> tuple[Layer, ...]:
    """The pyramid of a (height, width) vector field in n packets, coarsest first."""
    owner = mapping(1, height, width, n).packet()[0]
    size = 1 << (max(height, width) - 1).bit_length()
    above = np.full((n, 1, 1), -2, np.int64)
    result = []
    while size >= 1:
        here = _representatives(owner, n, size)
        j, y, x = np.indices(here.shape)
        rows, columns = above.shape[1:]
        py, px = np.minimum(y // 2, rows - 1), np.minimum(x // 2, columns - 1)
        side_y, side_x = np.clip(py + (y % 2) * 2 - 1, 0, rows - 1), np.clip(px + (x % 2) * 2 - 1, 0, columns - 1)
        at = [((j * rows + v) * columns + u).ravel() for v, u in ((py, px), (py, side_x), (side_y, px))]
        coded = np.flatnonzero((here >= 0) & (here != above[j, py, px]))
        band = min(size.bit_length() - 1, 2)
        result.append(Layer(np.stack(at), coded, here.ravel()[coded], coded // (here[0].size), band))
        above, size = here, size // 2
    return tuple(result)


def _predict(layer: Layer, above: Vectors) -> tuple[Vectors, Vectors, Contexts]:
    """(2, blocks) own parent's vectors, (2, coded) medians, (coded,) contexts of x: by spread (still, same vector, and
    four degrees of disagreement) and band. Those of y come one after, or two where x was not as predicted."""
    here = np.empty((2, layer.parents.shape[1]), np.int32)
    medians, contexts = np.empty((2, len(layer.coded)), np.int32), np.empty(len(layer.coded), np.int64)
    kernels.predict(layer.parents, layer.coded, layer.band, above, here, medians, contexts)
    return here, medians, contexts


Code = Callable[[Contexts, Layer, int, Vectors], Vectors]
"""(contexts, layer, component, predictions) -> the true values of this component, coded or decoded on the way."""


def walk(height: int, width: int, n: int, code: Code) -> npt.NDArray[np.int16]:
    """(2, height, width) vectors, layer by layer; `code` supplies the vectors and sees the context of each."""
    vectors = np.zeros((2, height * width), np.int16)
    above = np.zeros((2, n), np.int32)
    for layer in layers(height, width, n):
        here, predicted, context = _predict(layer, above)
        x = code(context, layer, 0, predicted[0])
        y = code(context + 1 + (x != predicted[0]), layer, 1, predicted[1])
        here[0, layer.coded], here[1, layer.coded] = x, y
        vectors[0, layer.vector], vectors[1, layer.vector] = x, y
        above = here
    return vectors.reshape(2, height, width)
