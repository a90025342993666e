"""Compiled loops that fit a motion field to a frame as overlapped compensation will use it: each vector is judged by
the middle of its window, where nine tenths of its weight are, given what the other vectors put there.

Predictions are in 32-bit floats that hold multiples of 1/4096 below 2^12: exact, in any order. Sums of differences may
be rounded; they choose among vectors, and only a sender has to choose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grace_codec.motion.kernels import filter_taps, pixel
from grace_codec.runtime.jit import compiled

Array = Any
Integer = Any  # 64 bits
Float = Any  # 32 bits

_SIDE = 16  # of a block, px
_WINDOW = 3 * _SIDE
_JUDGED = 2 * _SIDE  # px, the middle of a window
BESIDE = 8  # px beyond the picture's edge; farther out, a filter sees nothing but the repeated edge
_PARTS = 8, 16, 0, 24  # first rows of the parts of what is judged, heavy ones first: what is already worse is given up
_PART = 8  # rows
_DESCENTS = 3  # steps of a quarter pel in one pass, at most


@compiled("void(in u1[:,::1], in f4[:,::1], i8, i8, i8, u1[:,:,::1])", exact_floats=True)
def phases(source: Array, taps: Array, margin: Integer, first: Integer, last: Integer, out: Array) -> None:
    """The picture (H, W) moved by each of 16 quarter-pel fractions, 4·x + y, into out (16, H + 2·margin, W + 2·margin).

    Done are rows first..last - 1 of the H + 2·BESIDE that lie at most BESIDE px beyond an edge, as wide accordingly.
    taps: (4, 8)."""
    height, width = source.shape
    wide = width + 2 * BESIDE
    line = np.empty(wide + 7, np.float32)
    across, down = np.empty((last - first + 7) * wide, np.float32), np.empty(wide, np.float32)
    for fx in range(4):
        for i in range(last - first + 7):
            row = source[min(max(first + i - 3 - BESIDE, 0), height - 1)]
            line[: BESIDE + 3] = row[0]
            line[BESIDE + 3 : BESIDE + 3 + width] = row
            line[BESIDE + 3 + width :] = row[width - 1]
            filter_taps(line, 1, wide, taps[fx], across[i * wide : (i + 1) * wide])
        for fy in range(4):
            for i in range(last - first):
                target = out[4 * fx + fy, margin - BESIDE + first + i, margin - BESIDE : margin + BESIDE + width]
                filter_taps(across[i * wide :], wide, wide, taps[fy], down)
                for k in range(wide):
                    target[k] = np.uint8(np.int32(pixel(down[k])))


@compiled("void(in u1[:,:,::1], in f4[:,::1], i8, i8, i8, i8, i8, i8, f4, f4[:,::1])", exact_floats=True)
def _put(
    moved: Array,
    weights: Array,
    margin: Integer,
    above: Integer,
    top: Integer,
    left: Integer,
    vx: Integer,
    vy: Integer,
    sign: Float,
    total: Array,
) -> None:
    """Add (sign 1) or take away (−1) what a vector puts under the window at (top, left) of total, which begins `above`
    rows down the picture."""
    height, width = total.shape
    plane = moved[4 * (vx & 3) + (vy & 3)]
    first, last = max(0, -left), min(_WINDOW, width - left)
    y, x = margin + above + top + (vy >> 2), margin + left + (vx >> 2)
    for i in range(max(0, -top), min(_WINDOW, height - top)):
        source, weight = plane[y + i, x + first : x + last], weights[i, first:last]
        into = total[top + i, left + first : left + last]
        for j in range(last - first):
            into[j] += sign * weight[j] * np.float32(source[j])


@compiled("void(in u1[:,:,::1], in f4[:,::1], i8, in i2[:,:,::1], i8, i8, f4[:,::1])")
def mix(
    moved: Array, weights: Array, margin: Integer, field: Array, first: Integer, last: Integer, total: Array
) -> None:
    """The overlapped prediction, not rounded, into block rows first..last - 1 of total (H, W). field: see `refine`."""
    above = first * _SIDE
    part = total[above : last * _SIDE]
    part[:] = 0
    for r in range(first, last + 2):
        for c in range(field.shape[1]):
            vx, vy = np.int64(field[r, c, 0]), np.int64(field[r, c, 1])
            top, left = (r - 2) * _SIDE - above, (c - 2) * _SIDE
            _put(moved, weights, margin, above, top, left, vx, vy, np.float32(1), part)


@compiled(  # not exact, but that only chooses
    "f4(in f4[:,::1], in f4[:,::1], in u1[:,:,::1], i8, i8, i8, i8, f4)", exact_floats=True
)
def _misfit(
    wanted: Array, weights: Array, moved: Array, y: Integer, x: Integer, vx: Integer, vy: Integer, most: Float
) -> Float:
    """Sum of |wanted − weight · pixel| over a square whose corner is at (y, x) of the phases, moved by a vector; or
    anything of at least `most` as soon as that much is sure."""
    plane = moved[4 * (vx & 3) + (vy & 3)]
    top, left = y + (vy >> 2), x + (vx >> 2)
    total = np.float32(0)
    for part in range(4):
        start = _PARTS[part]
        for i in range(start, start + _PART):
            want, weight, source = wanted[i], weights[i], plane[top + i, left : left + _JUDGED]
            for j in range(_JUDGED):
                total += abs(want[j] - weight[j] * np.float32(source[j]))
        if total >= most:
            break
    return total


@compiled(
    "void(in u1[:,::1], in u1[:,:,::1], in f4[:,::1], in f4[:,::1], i8, i8, i8, i8, i8, f4[:,::1], f4[:,::1])",
    exact_floats=True,
)
def _open(
    current: Array,
    moved: Array,
    total: Array,
    weights: Array,
    margin: Integer,
    y: Integer,
    x: Integer,
    vx: Integer,
    vy: Integer,
    wanted: Array,
    mine: Array,
) -> None:
    """Of the square at (y, x), the middle of a window: what `total` lacks without the window's vector, and the window's
    weights, zero outside the picture."""
    height, width = current.shape
    edge = (_WINDOW - _JUDGED) // 2
    plane = moved[4 * (vx & 3) + (vy & 3)]
    top, bottom, left, right = max(0, -y), min(_JUDGED, height - y), max(0, -x), min(_JUDGED, width - x)
    if bottom - top < _JUDGED or right - left < _JUDGED:
        wanted[:], mine[:] = np.float32(0), np.float32(0)
    u, v = margin + y + (vy >> 2), margin + x + (vx >> 2)
    for i in range(top, bottom):
        pixels, others = current[y + i, x + left : x + right], total[y + i, x + left : x + right]
        want, my, weight = wanted[i, left:right], mine[i, left:right], weights[edge + i, edge + left : edge + right]
        source = plane[u + i, v + left : v + right]
        for j in range(right - left):
            want[j] = np.float32(pixels[j]) - others[j] + weight[j] * np.float32(source[j])
            my[j] = weight[j]


@compiled("void(in i2[:,:,::1], i8, i8, i8[:,::1])")
def _around(field: Array, r: Integer, c: Integer, out: Array) -> None:
    """The median (second smallest of each component) of the four vectors beside (r, c), these, and no motion."""
    for k in range(2):
        up, down = np.int64(field[r - 1, c, k]), np.int64(field[r + 1, c, k])
        left, right = np.int64(field[r, c - 1, k]), np.int64(field[r, c + 1, k])
        out[0, k] = min(max(up, down), max(left, right), max(min(up, down), min(left, right)))
        out[1, k], out[2, k], out[3, k], out[4, k], out[5, k] = up, down, left, right, 0


@compiled("void(i8, i8, i8, i8[:,::1])")
def _cross(x: Integer, y: Integer, limit: Integer, out: Array) -> None:
    """The vectors a quarter pel away: right, left, down, up."""
    for k in range(4):
        out[k, 0], out[k, 1] = x, y
    out[0, 0], out[1, 0] = min(x + 1, limit), max(x - 1, -limit)
    out[2, 1], out[3, 1] = min(y + 1, limit), max(y - 1, -limit)


@compiled(
    "void(in u1[:,::1], in u1[:,:,::1], in f4[:,::1], i8, in f4[::1], in b1[:,::1], i8, i8, i8, i8,"
    "b1[:,::1], i2[:,:,::1], f4[:,::1])"
)
def refine(
    current: Array,
    moved: Array,
    weights: Array,
    margin: Integer,
    prices: Array,
    active: Array,
    limit: Integer,
    start: Integer,
    first: Integer,
    last: Integer,
    stale: Array,
    field: Array,
    total: Array,
) -> None:
    """Better vectors for the active blocks of rows 3r + start, r in first..last - 1; windows of two such rows do not
    touch, so that any part of them may be done at any time.

    current: (H, W) px; moved: its reference's `phases`; weights: (48, 48); prices: SAD that a vector's component costs
    which differs by d quarter pels from its neighbours' median. Changed in place: total (H, W), the `mix` of field; and
    with a ring of blocks around, field, the vectors (…, 2), and stale, which blocks to look at: since they were last
    looked at they changed, or their neighbours did."""
    tried = np.zeros((6, 2), np.int64)
    wanted, mine = np.zeros((_JUDGED, _JUDGED), np.float32), np.zeros((_JUDGED, _JUDGED), np.float32)
    for r in range(3 * first + start, min(3 * last + start, active.shape[0]), 3):
        for c in range(active.shape[1]):
            if not (active[r, c] and stale[r + 1, c + 1]):
                continue
            stale[r + 1, c + 1] = False
            y, x = r * _SIDE - _SIDE // 2, c * _SIDE - _SIDE // 2
            bx, by = np.int64(field[r + 1, c + 1, 0]), np.int64(field[r + 1, c + 1, 1])
            _open(current, moved, total, weights, margin, y, x, bx, by, wanted, mine)
            _around(field, r + 1, c + 1, tried)
            ex, ey = tried[0, 0], tried[0, 1]
            best = _misfit(wanted, mine, moved, margin + y, margin + x, bx, by, np.float32(np.inf))
            best += prices[abs(bx - ex)] + prices[abs(by - ey)]
            count = 6
            for descent in range(_DESCENTS + 1):
                sx, sy = bx, by
                for k in range(count):
                    vx, vy = tried[k, 0], tried[k, 1]
                    price = prices[abs(vx - ex)] + prices[abs(vy - ey)]
                    if (vx == bx and vy == by) or price >= best:
                        continue
                    found = price + _misfit(wanted, mine, moved, margin + y, margin + x, vx, vy, best - price)
                    if found < best:
                        bx, by, best = vx, vy, found
                if descent and sx == bx and sy == by:
                    break
                _cross(bx, by, limit, tried)
                count = 4
            ox, oy = np.int64(field[r + 1, c + 1, 0]), np.int64(field[r + 1, c + 1, 1])
            if bx != ox or by != oy:
                top, left = (r - 1) * _SIDE, (c - 1) * _SIDE
                _put(moved, weights, margin, 0, top, left, ox, oy, np.float32(-1), total)
                _put(moved, weights, margin, 0, top, left, bx, by, np.float32(1), total)
                field[r + 1, c + 1, 0], field[r + 1, c + 1, 1] = bx, by
                stale[r : r + 3, c : c + 3] = True
