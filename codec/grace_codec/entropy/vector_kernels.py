"""Compiled prediction of motion vectors from the layer above (entropy/motion.py). Integers only."""

from __future__ import annotations

from typing import Any

from grace_codec.runtime.jit import compiled

Array = Any
Integer = Any  # 64 bits


@compiled("i8(i8)")
def _spread_bucket(spread: Integer) -> Integer:
    """How far three vectors are apart, in quarter pels: 0, up to 2, up to 6, up to 16, more."""
    return (spread > 0) + (spread > 2) + (spread > 6) + (spread > 16)


@compiled("void(in i8[:,::1], in i8[::1], i8, in i4[:,::1], i4[:,::1], i4[:,::1], i8[::1])")
def predict(
    parents: Array, coded: Array, band: Integer, above: Array, here: Array, medians: Array, contexts: Array
) -> None:
    """parents: (3, blocks) indices into `above` (2, blocks there); coded: blocks. Results: here (2, blocks) is what the
    own parent has; medians (2, coded) those of the three; contexts (coded,) of the x components."""
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
