"""Compiled loops of block motion: quarter-pel interpolation, overlapped compensation, choice among vectors.

Interpolation is in 32-bit floats that hold multiples of 1/4096 below 2^11, compensation adds multiples of 1/4096:
exact, in any order. Reading outside a plane repeats its edge. Squares of up to 16x16 px lie in flat arrays with 24 to a
row: what the filters need around them lies beside them, and one long loop is what a compiler makes the most of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grace_codec.runtime.jit import compiled

Array = Any
Float = Any  # 32 bits

_SIDE = 16  # of a square, px; chroma's are 8
_ROW = 24  # of a square's array: 8 taps reach 7 px further
_SQUARE = _SIDE * _ROW
_PATCH = (_SIDE + 8) * _ROW  # 7 rows more, and columns beyond the last that filters read


@compiled("void(in u1[:,::1], i8, i8, i8, i8, f4[::1])")
def _fetch(source: Array, top: int, left: int, rows: int, columns: int, patch: Array) -> None:
    """source (H, W) from (top, left), into patch."""
    height, width = source.shape
    if top >= 0 and left >= 0 and top + rows <= height and left + columns <= width:
        for i in range(rows):
            line, into = source[top + i, left : left + columns], patch[i * _ROW : i * _ROW + columns]
            for j in range(columns):
                into[j] = line[j]
        return
    for i in range(rows):
        y = min(max(top + i, 0), height - 1)
        for j in range(columns):
            patch[i * _ROW + j] = source[y, min(max(left + j, 0), width - 1)]


@compiled("f4(f4)", exact_floats=True)
def pixel(value: Float) -> Float:
    """Nearest whole number, halves to even, 0..255."""
    return min(max(np.rint(value), np.float32(0)), np.float32(255))


@compiled("void(in f4[::1], i8, i8, in f4[::1], f4[::1])", exact_floats=True)
def filter_taps(x: Array, stride: int, count: int, taps: Array, out: Array) -> None:
    """out[k] = sum of taps[t] · x[k + t · stride]"""
    a, b, c, d, e, f, g, h = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
    x1, x2, x3, x4 = x[stride:], x[2 * stride :], x[3 * stride :], x[4 * stride :]
    x5, x6, x7 = x[5 * stride :], x[6 * stride :], x[7 * stride :]
    for k in range(count):
        out[k] = a * x[k] + b * x1[k] + c * x2[k] + d * x3[k] + e * x4[k] + f * x5[k] + g * x6[k] + h * x7[k]


@compiled("void(in u1[:,::1], i8, i8, i8, i8, i8, in f4[:,::1], f4[::1], f4[::1], f4[::1])", exact_floats=True)
def _predict(
    source: Array, y: int, x: int, vx: int, vy: int, side: int, taps: Array, patch: Array, across: Array, out: Array
) -> None:
    """The square at (y, x) moved by (vx, vy) quarter pels, into out. taps: (4, 8) by phase; patch, across: scratch."""
    top, left, fy, fx = y + (vy >> 2), x + (vx >> 2), vy & 3, vx & 3
    if fy == 0 and fx == 0:
        _fetch(source, top, left, side, side, out)
        return
    rows = side + 7 if fy else side
    wide = side + 8 if fx else side  # one more than needed: a multiple of 8 is fetched faster
    _fetch(source, top - 3 if fy else top, left - 3 if fx else left, rows, wide, patch)
    before, after = patch, across
    if fx:
        filter_taps(before, 1, rows * _ROW, taps[fx], after)
        before, after = after, before
    if fy:
        filter_taps(before, _ROW, side * _ROW, taps[fy], after)
        before, after = after, before
    for k in range(side * _ROW):
        out[k] = pixel(before[k])


@compiled("void(in f4[:,::1], i8, f4[:,::1])")
def _shares(weights: Array, block: int, out: Array) -> None:
    """What a block's pixels take of the vectors around it, row by row, (9, _SQUARE). weights: a vector's window."""
    for q in range(9):
        top, left = (2 - q // 3) * block, (2 - q % 3) * block
        for i in range(block):
            for j in range(block):
                out[q, i * _ROW + j] = weights[top + i, left + j]


@compiled("void(in f4[::1], in f4[:,::1], i8, i8, f4[::1], f4[::1])", exact_floats=True)
def _blend(square: Array, shares: Array, same: int, count: int, share: Array, total: Array) -> None:
    """Add a square by the shares whose bit is set in `same`. share: scratch."""
    share[:count] = np.float32(0)
    for q in range(9):
        if same >> q & 1:
            mine = shares[q]
            for k in range(count):
                share[k] += mine[k]
    for k in range(count):
        total[k] += square[k] * share[k]


@compiled("void(in f4[::1], i8, i8, i8, u1[:,::1])")
def _put(total: Array, top: int, left: int, block: int, out: Array) -> None:
    """Round a square into the plane."""
    for i in range(block):
        line, mine = out[top + i, left : left + block], total[i * _ROW : i * _ROW + block]
        for j in range(block):
            line[j] = np.uint8(np.int32(pixel(mine[j])))


@compiled("void(in u1[:,::1], in i2[:,:,::1], i8, in f4[:,::1], in f4[:,::1], i8, i8, u1[:,::1])")
def overlap(
    source: Array, field: Array, block: int, taps: Array, weights: Array, first: int, last: int, out: Array
) -> None:
    """Overlapped compensation of a plane (H, W) into block rows first..last - 1 of out, its size rounded up to blocks.

    field: (rows + 2, columns + 2, 2) quarter pels (x, y), edges repeated once around; block: 16 or 8 px; weights: of a
    vector's window. Where several of the nine vectors around a block agree, they are predicted once."""
    patch, across = np.zeros(_PATCH, np.float32), np.zeros(_PATCH, np.float32)
    square, total, share = np.zeros(_SQUARE, np.float32), np.zeros(_SQUARE, np.float32), np.zeros(_SQUARE, np.float32)
    shares = np.zeros((9, _SQUARE), np.float32)
    _shares(weights, block, shares)
    for r in range(first, last):
        for c in range(field.shape[1] - 2):
            total[:] = np.float32(0)
            done = 0
            for q in range(9):
                if done >> q & 1:
                    continue
                vx, vy = field[r + q // 3, c + q % 3, 0], field[r + q // 3, c + q % 3, 1]
                same = 0
                for k in range(q, 9):
                    if field[r + k // 3, c + k % 3, 0] == vx and field[r + k // 3, c + k % 3, 1] == vy:
                        same |= 1 << k
                done |= same
                _predict(source, r * block, c * block, vx, vy, block, taps, patch, across, square)
                if same < 511:
                    _blend(square, shares, same, block * _ROW, share, total)
            _put(square if same == 511 else total, r * block, c * block, block, out)


@compiled("f4(in f4[::1], in f4[::1], in f4[::1], i8)", exact_floats=True)
def _sad(a: Array, b: Array, inside: Array, count: int) -> Float:
    total = np.float32(0)
    for k in range(count):
        total += inside[k] * abs(a[k] - b[k])
    return total


@compiled("void(in u1[:,::1], in u1[:,::1], in f4[:,::1], in b1[:,::1], in i2[:,:,:,::1], f4, i8, i8, i2[:,:,::1])")
def choose(
    current: Array,
    reference: Array,
    taps: Array,
    active: Array,
    offers: Array,
    still_bonus: Float,
    first: int,
    last: int,
    vectors: Array,
) -> None:
    """Of no motion and of `offers` (n, rows, columns, 2), what predicts each active block best; rows first..last - 1.

    current: (16 rows, 16 columns) px; reference: (H, W); still_bonus: SAD that no motion is forgiven. vectors: (rows,
    columns, 2), zero before."""
    patch, across = np.zeros(_PATCH, np.float32), np.zeros(_PATCH, np.float32)
    square, mine = np.zeros(_SQUARE, np.float32), np.zeros(_SQUARE, np.float32)
    inside = np.zeros(_SQUARE, np.float32)
    for k in range(_SQUARE):
        inside[k] = np.float32(k % _ROW < _SIDE)
    for r in range(first, last):
        for c in range(active.shape[1]):
            if not active[r, c]:
                continue
            _fetch(current, r * _SIDE, c * _SIDE, _SIDE, _SIDE, mine)
            _fetch(reference, r * _SIDE, c * _SIDE, _SIDE, _SIDE, square)
            best = _sad(mine, square, inside, _SQUARE) - still_bonus
            for k in range(len(offers)):
                vx, vy = int(offers[k, r, c, 0]), int(offers[k, r, c, 1])
                if vx == vectors[r, c, 0] and vy == vectors[r, c, 1]:
                    continue
                _predict(reference, r * _SIDE, c * _SIDE, vx, vy, _SIDE, taps, patch, across, square)
                found = _sad(mine, square, inside, _SQUARE)
                if found < best:
                    vectors[r, c, 0], vectors[r, c, 1], best = vx, vy, found
