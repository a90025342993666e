"""Compiled block arithmetic on planes: sums of blocks, and the linear decoder that replay runs (models/levels.py).

Sums of floats are taken in one order, channel by channel, so that threads change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grace_codec.runtime.jit import compiled

Array = Any
Integer = Any  # 64 bits


@compiled("void(in u1[:,::1], i8, i8, f4[:,::1], f4[:,::1])")
def block_sums(plane: Array, first: Integer, last: Integer, sums: Array, squares: Array) -> None:
    """Sums of the pixels and of their squares in 8x8 blocks, for block rows first..last - 1."""
    for r in range(first, last):
        for c in range(sums.shape[1]):
            total, power = np.int32(0), np.int32(0)
            for i in range(8):
                line = plane[8 * r + i, 8 * c : 8 * c + 8]
                for j in range(8):
                    value = np.int32(line[j])
                    total += value
                    power += value * value
            sums[r, c], squares[r, c] = total, power


@compiled("void(in i2[:,:,::1], i8, in f4[::1], in f4[::1], in f4[:,::1], in f4[:,::1], i8, i8, i8, f4[:,:,::1])")
def add_patterns(
    symbols: Array,
    channel: Integer,
    step: Array,
    shrink: Array,
    scale: Array,
    patterns: Array,
    parts: Integer,
    first: Integer,
    last: Integer,
    blocks: Array,
) -> None:
    """Add dequantized symbols (C, h, w) times their patterns (N, 64) to blocks (parts·h, parts·w, 64).

    A frequency has parts² channels, one per sub-block, from `channel` on. Rows first..last - 1 of the symbols are done.
    (z − sign(z) · shrink) · step · scale; zeros are passed over."""
    width = symbols.shape[2]
    for f in range(len(patterns)):
        pattern = patterns[f]
        for part in range(parts * parts):
            c = channel + f * parts * parts + part
            for y in range(first, last):
                for x in range(width):
                    z = np.int64(symbols[c, y, x])
                    if z == 0:
                        continue
                    back = shrink[c] if z > 0 else -shrink[c]
                    value = (np.float32(z) - back) * step[c] * scale[y, x]
                    block = blocks[parts * y + part // 2, parts * x + part % 2]
                    for k in range(64):
                        block[k] += value * pattern[k]


@compiled("void(in u1[:,::1], in f4[:,:,::1], i8, i8, u1[:,::1])")
def add_blocks(prediction: Array, blocks: Array, first: Integer, last: Integer, out: Array) -> None:
    """out: prediction + blocks (rows, columns, 64), rounded and clipped, block rows first..last - 1.

    out (H, W) may be smaller than the prediction."""
    height, width = out.shape
    for r in range(first, last):
        for i in range(min(8, height - 8 * r)):
            y = 8 * r + i
            for c in range(-(-width // 8)):
                block = blocks[r, c, 8 * i : 8 * i + 8]
                count = min(8, width - 8 * c)
                before, line = prediction[y, 8 * c : 8 * c + count], out[y, 8 * c : 8 * c + count]
                for j in range(count):
                    value = np.rint(np.float32(before[j]) + block[j])
                    line[j] = np.uint8(np.int32(min(max(value, np.float32(0)), np.float32(255))))
