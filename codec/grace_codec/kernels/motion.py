"""Compiled loops of block motion: quarter-pel interpolation, overlapped compensation, choice among vectors.

Interpolation is in 32-bit floats that hold multiples of 1/4096 below 2^11, compensation adds multiples of 1/1024:
exact, in any order. Reading outside a plane repeats its edge. Squares of up to 16x16 px lie in flat arrays with 24 to a
row: what the filters need around them lies beside them, and one long loop is what a compiler makes the most of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grace_codec.kernels import compiled

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
def _pixel(value: Float) -> Float:
    """Nearest whole number, halves to even, 0..255."""
    return min(max(np.rint(value), np.float32(0)), np.float32(255))


@compiled("void(in f4[::1], i8, i8, in f4[::1], f4[::1])", exact_floats=True)
def _filter(x: Array, stride: int, count: int, taps: Array, out: Array) -> None:
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
        _filter(before, 1, rows * _ROW, taps[fx], after)
        before, after = after, before
    if fy:
        _filter(before, _ROW, side * _ROW, taps[fy], after)
        before, after = after, before
    for k in range(side * _ROW):
        out[k] = _pixel(before[k])


@compiled("void(i8, f4[:,::1])")
def _windows(block: int, out: Array) -> None:
    """Overlap weights of the four blocks (before and after, row by row) around a cell, (4, _SQUARE): a tent."""
    for i in range(block):
        for j in range(block):
            y, x = np.float32(2 * i + 1) / np.float32(2 * block), np.float32(2 * j + 1) / np.float32(2 * block)
            k = i * _ROW + j
            out[0, k], out[1, k] = (np.float32(1) - y) * (np.float32(1) - x), (np.float32(1) - y) * x
            out[2, k], out[3, k] = y * (np.float32(1) - x), y * x


@compiled("void(in f4[::1], in f4[:,::1], i8, i8, f4[::1])", exact_floats=True)
def _blend(square: Array, windows: Array, same: int, count: int, total: Array) -> None:
    """Add a square under the windows whose bit is set in `same`."""
    a, b = np.float32(same & 1), np.float32(same >> 1 & 1)
    c, d = np.float32(same >> 2 & 1), np.float32(same >> 3 & 1)
    w, x, y, z = windows[0], windows[1], windows[2], windows[3]
    for k in range(count):
        total[k] += square[k] * (a * w[k] + b * x[k] + c * y[k] + d * z[k])


@compiled("void(in f4[::1], i8, i8, i8, u1[:,::1])")
def _put(total: Array, top: int, left: int, block: int, out: Array) -> None:
    """Round a square into the plane, as far as it lies inside."""
    height, width = out.shape
    first, last = max(0, -left), min(block, width - left)
    for i in range(max(0, -top), min(block, height - top)):
        line, mine = out[top + i, left + first : left + last], total[i * _ROW + first : i * _ROW + last]
        for j in range(last - first):
            line[j] = np.uint8(np.int32(_pixel(mine[j])))


@compiled("void(in u1[:,::1], in i2[:,:,::1], i8, in f4[:,::1], i8, i8, u1[:,::1])")
def overlap(source: Array, field: Array, block: int, taps: Array, first: int, last: int, out: Array) -> None:
    """Overlapped compensation of one plane (H, W) into out, its size rounded up to blocks of 16 or 8.

    field: (rows + 2, columns + 2, 2) quarter pels (x, y), edges repeated once around. A cell is the square between the
    centres of four blocks; rows first..last - 1 of the rows + 1 rows of cells are done. A cell whose vectors agree is
    predicted once."""
    patch, across = np.zeros(_PATCH, np.float32), np.zeros(_PATCH, np.float32)
    square, total = np.zeros(_SQUARE, np.float32), np.zeros(_SQUARE, np.float32)
    windows = np.zeros((4, _SQUARE), np.float32)
    _windows(block, windows)
    for r in range(first, last):
        top = r * block - block // 2
        for c in range(field.shape[1] - 1):
            left = c * block - block // 2
            total[:] = np.float32(0)
            done = 0
            for q in range(4):
                if done >> q & 1:
                    continue
                vx, vy = field[r + (q >> 1), c + (q & 1), 0], field[r + (q >> 1), c + (q & 1), 1]
                same = 0
                for k in range(q, 4):
                    if field[r + (k >> 1), c + (k & 1), 0] == vx and field[r + (k >> 1), c + (k & 1), 1] == vy:
                        same |= 1 << k
                done |= same
                _predict(source, top, left, vx, vy, block, taps, patch, across, square)
                if same < 15:
                    _blend(square, windows, same, block * _ROW, total)
            _put(square if same == 15 else total, top, left, block, out)


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
