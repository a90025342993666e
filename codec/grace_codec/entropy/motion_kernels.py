"""Compiled prediction of motion vectors from the layer above (motion.py). Integers only."""

from __future__ import annotations

import numpy as np

from grace_codec.runtime.jit import Array1, Array2, Input1, Input2, compiled


@compiled
def _spread_bucket(spread: int) -> int:
    """How far three vectors are apart, in quarter pels: 0, up to 2, up to 6, up to 16, more."""
    return (spread > 0) + (spread > 2) + (spread > 6) + (spread > 16)


@compiled
def predict(
    parents: Input2[np.int64],
    coded: Input1[np.int64],
    band: int,
    above: Input2[np.int32],
    here: Array2[np.int32],
    medians: Array2[np.int32],
    contexts: Array1[np.int64],
) -> None:
    """Predict the vectors of one layer. parents: (3, blocks) indices into `above` (2, blocks there); coded: the blocks
    whose vectors are coded; band: the layer's size class.

    Results: here (2, blocks), the vectors of each block's own parent; medians (2, coded), those of its three parents;
    contexts (coded,), of the x components."""
    for b in range(parents.shape[1]):
        here[0, b], here[1, b] = above[0, parents[0, b]], above[1, parents[0, b]]
    for k in range(len(coded)):
        b = coded[k]
        spread, still = 0, True
        for component in range(2):
            u, v, w = above[component, parents[0, b]], above[component, parents[1, b]], above[component, parents[2, b]]
            low, high = min(u, v, w), max(u, v, w)
            median = u + v + w - low - high
            medians[component, k] = median
            spread += high - low
            still = still and median == 0
        bucket = 0 if still and spread == 0 else 1 + _spread_bucket(spread)
        contexts[k] = (bucket * 3 + band) * 3
