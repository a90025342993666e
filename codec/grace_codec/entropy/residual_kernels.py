"""Compiled walk over the residual of one packet, the same for coding, decoding and fitting (entropy/residual.py says in
which order, docs/bitstream.md which contexts). Integers only.

Elements are numbered channel·area + position in each component's plane. A packet has one element of a channel at a
position where the position's phase is the channel's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grace_codec.entropy.ans import RAW, pop, pop_raw
from grace_codec.runtime.jit import compiled

Array = Any
Integer = Any  # 64 bits

CLASSES = 38  # these as in entropy/tables.py and entropy/contexts.py
RUN = 6
BUCKETS = 16
ESCAPE = 81
LARGEST_COUNTED = 15
RESIDUAL, LEADING, RUNS = 0, CLASSES, 2 * CLASSES  # first rows of the three tables in one


@compiled("void(i8, i8, i8, i8, i8, i4[::1], i4[::1])")
def _add_activity(
    y: Integer, x: Integer, weight: Integer, height: Integer, width: Integer, magnitudes: Array, totals: Array
) -> None:
    """Note a magnitude at (y, x), and what it adds to the neighbourhoods that it is part of.

    Weights 1, 2, 1 / 2, 6, 2 / 1, 2, 1; edges are repeated."""
    magnitudes[y * width + x] += weight
    for v in range(max(y - 1, 0), min(y + 2, height)):
        down = 2 - abs(v - y) + (v == y == 0) + (v == y == height - 1)
        for u in range(max(x - 1, 0), min(x + 2, width)):
            across = 2 - abs(u - x) + (u == x == 0) + (u == x == width - 1)
            totals[v * width + u] += weight * down * across
    totals[y * width + x] += 2 * weight


@compiled("void(in i4[::1], i8, i8, i4[::1], i4[::1])")
def pool(fine: Array, height: Integer, width: Integer, magnitudes: Array, totals: Array) -> None:
    """Start from magnitudes on a grid of twice the height and width."""
    for y in range(height):
        for x in range(width):
            k = 4 * y * width + 2 * x
            weight = fine[k] + fine[k + 1] + fine[k + 2 * width] + fine[k + 2 * width + 1]
            if weight:
                _add_activity(y, x, weight, height, width, magnitudes, totals)


@compiled("i8(i8)")
def _bounded(scale: Integer) -> Integer:
    return min(max(scale, 0), CLASSES - 1)


@compiled("void(in i4[::1], i8, i8, i4[::1], i4[::1])")
def _sort(keys: Array, count: Integer, size: Integer, order: Array, starts: Array) -> None:
    """order: the first `count` indices by key (below `size`), equal ones as they were. starts: (size + 1,) scratch."""
    starts[: size + 1] = 0
    for k in range(count):
        starts[keys[k] + 1] += 1
    for k in range(size):
        starts[k + 1] += starts[k]
    for k in range(count):
        order[starts[keys[k]]] = k
        starts[keys[k]] += 1


@compiled(
    "i8(b1, i8, i8, i4[::1], i4[::1], i4[::1], i4[::1], i2[::1], in i8[:,::1], in u4[::1], u8[::1], i4[:,::1], i8)"
)
def _code_values(
    decoding: bool,
    table: Integer,
    count: Integer,
    classes: Array,
    elements: Array,
    order: Array,
    starts: Array,
    values: Array,
    cumulative: Array,
    words: Array,
    stack: Array,
    records: Array,
    recorded: Integer,
) -> Integer:
    """Elements by class; then, as raw numbers, those that had no symbol of their own."""
    _sort(classes, count, CLASSES, order, starts)
    escapes = 0
    for i in range(count):
        k = order[i]
        element, row = elements[k], table + classes[k]
        if decoding:
            symbol = pop(words, stack, cumulative, row)
            values[element] = (symbol + 1) // 2 if symbol & 1 else -(symbol // 2)
        else:
            value = np.int64(values[element])
            symbol = min(2 * abs(value) - (value > 0), ESCAPE)
            records[recorded, 0], records[recorded, 1] = row, symbol
            recorded += 1
        if symbol == ESCAPE:
            order[escapes] = k  # that far the order has been read
            escapes += 1
    for i in range(escapes):
        element = elements[order[i]]
        if decoding:
            values[element] = np.int16(pop_raw(words, stack))
        else:
            records[recorded, 0], records[recorded, 1] = RAW, np.int64(values[element]) & 0xFFFF
            recorded += 1
    return recorded


@compiled("void(in u1[::1], in i8[:,::1], in i8[::1], in u1[::1], in u1[::1], in i4[::1], i8[::1])")
def _contexts(
    phase: Array,
    spread: Array,
    expected: Array,
    expected_bucket: Array,
    observed_bucket: Array,
    totals: Array,
    out: Array,
) -> None:
    """Expected bucket · BUCKETS + observed bucket of every position."""
    n = len(spread)
    by_phase = np.empty(n, np.int64)
    for p in range(n):
        total = np.int64(0)
        for q in range(n):
            total += spread[p, q] * expected[q]
        by_phase[p] = BUCKETS * expected_bucket[min(total >> 6, len(expected_bucket) - 1)]
    for at in range(len(phase)):
        out[at] = by_phase[phase[at]] + observed_bucket[min(totals[at], len(observed_bucket) - 1)]


@compiled("i8(in u1[::1], in i8[::1], in i8[::1], in i8[::1], in i8[::1], in i8[::1], i4[::1], i4[::1])")
def _list_all(
    phase: Array,
    phase_of: Array,
    group: Array,
    scales: Array,
    steps: Array,
    bucket: Array,
    classes: Array,
    elements: Array,
) -> Integer:
    """Every element of a group, channel by channel, and its class."""
    count, area = 0, len(phase)
    for c in group:
        for at in range(area):
            if phase[at] == phase_of[c]:
                classes[count], elements[count] = _bounded(steps[bucket[at]] + scales[c]), c * area + at
                count += 1
    return count


@compiled("void(in i8[::1], in i8[::1], i8[:,::1], i8[::1])")
def _by_phase(group: Array, phase_of: Array, channels: Array, counts: Array) -> None:
    """channels (n, len(group)): those of the group that travel with each phase; counts: how many."""
    counts[:] = 0
    for c in group:
        p = phase_of[c]
        channels[p, counts[p]] = c
        counts[p] += 1


@compiled(
    "i8(in u1[::1], in i8[:,::1], in i8[::1], in i8[::1], in i8[::1], in i8[::1], in i8[::1], i4[::1], i4[::1],i4[::1])"
)
def _list_strips(
    phase: Array,
    channels: Array,
    counts: Array,
    scales: Array,
    mean: Array,
    steps: Array,
    bucket: Array,
    tables: Array,
    places: Array,
    parts: Array,
) -> Integer:
    """Every strip: its table, by length and the class of its channels' mean; its position; its number there."""
    strips, n = 0, len(counts)
    scale_of = np.empty(n, np.int64)
    for part in range(-(-counts.max() // RUN)):
        for p in range(n):
            first, last = part * RUN, min(counts[p], part * RUN + RUN)
            total, scale = np.int64(0), 0
            for k in range(first, last):
                total += mean[scales[channels[p, k]]]
            total //= max(last - first, 1)
            while scale < CLASSES - 1 and mean[scale] < total:
                scale += 1
            scale_of[p] = scale
        for at in range(len(phase)):
            p = phase[at]
            length = min(counts[p] - part * RUN, RUN)
            if length > 0:
                tables[strips] = (length - 1) * CLASSES + _bounded(steps[bucket[at]] + scale_of[p])
                places[strips], parts[strips] = at, part
                strips += 1
    return strips


@compiled(
    "i8(b1, in u1[::1], in i8[:,::1], i8, in i4[::1], in i4[::1], in i4[::1], i4[::1], i4[::1], i4[::1], in i2[::1],"
    "in i8[:,::1], in u4[::1], u8[::1], i4[:,::1], i8)"
)
def _code_firsts(
    decoding: bool,
    phase: Array,
    channels: Array,
    strips: Integer,
    tables: Array,
    places: Array,
    parts: Array,
    firsts: Array,
    order: Array,
    starts: Array,
    values: Array,
    cumulative: Array,
    words: Array,
    stack: Array,
    records: Array,
    recorded: Integer,
) -> Integer:
    """firsts: 1 + the column of each strip's first element that is not zero, 0 where all are."""
    area = len(phase)
    _sort(tables, strips, RUN * CLASSES, order, starts)
    for i in range(strips):
        k = order[i]
        length, at, row = tables[k] // CLASSES + 1, places[k], RUNS + tables[k]
        if decoding:
            firsts[k] = min(pop(words, stack, cumulative, row), length)
            continue
        mine = channels[phase[at]]
        firsts[k] = 0
        for column in range(length):
            if values[mine[parts[k] * RUN + column] * area + at]:
                firsts[k] = column + 1
                break
        records[recorded, 0], records[recorded, 1] = row, firsts[k]
        recorded += 1
    return recorded


@compiled(
    "i8(i8, in u1[::1], in i8[:,::1], in i8[::1], i8, in i4[::1], in i4[::1], in i4[::1], in i8[::1], in i8[::1],"
    "in i8[::1], i4[::1], i4[::1])"
)
def _list_values(
    after: Integer,
    phase: Array,
    channels: Array,
    counts: Array,
    strips: Integer,
    places: Array,
    parts: Array,
    firsts: Array,
    scales: Array,
    steps: Array,
    bucket: Array,
    classes: Array,
    elements: Array,
) -> Integer:
    """after 0: the first element of each strip that is not zero; 1: the elements after it."""
    count, area = 0, len(phase)
    for k in range(strips):
        if firsts[k] == 0:
            continue
        at, p = places[k], phase[places[k]]
        first = parts[k] * RUN + firsts[k] - 1 + after
        last = min(counts[p], parts[k] * RUN + RUN) if after else first + 1
        for c in channels[p, first:last]:
            classes[count], elements[count] = _bounded(steps[bucket[at]] + scales[c]), c * area + at
            count += 1
    return count


@compiled("void(in i4[::1], i8, in i2[::1], i8, i8, i4[::1], i4[::1])")
def _take_in(
    elements: Array, count: Integer, values: Array, height: Integer, width: Integer, magnitudes: Array, totals: Array
) -> None:
    """Add the values of these elements to the activity around them."""
    for k in range(count):
        value = np.int64(values[elements[k]])
        if value:
            y, x = divmod(elements[k] % (height * width), width)
            _add_activity(y, x, min(abs(value), LARGEST_COUNTED), height, width, magnitudes, totals)


@compiled("void(in i4[::1], i8, in i2[::1], in i8[::1], in i8[::1], in i8[::1], i8[:,::1])")
def _see(
    elements: Array, count: Integer, values: Array, scales: Array, mean: Array, bucket: Array, seen: Array
) -> None:
    """seen (2, 256): magnitudes, and means of the classes, by bucket."""
    for k in range(count):
        channel, at = divmod(elements[k], len(bucket))
        seen[0, bucket[at]] += abs(np.int64(values[elements[k]]))
        seen[1, bucket[at]] += mean[scales[channel]]


@compiled(
    "i8(b1, in u1[::1], i8, i8, in i8[::1], in i8[::1], in i8[::1], i8, in i8[::1], in i8[:,::1], in i8[:,::1],"
    "in i8[::1], in u1[::1], in u1[::1], i2[::1], i4[::1], i4[::1], i8[::1], in i8[:,::1], in u4[::1], u8[::1],"
    "i4[:,::1], i8, i4[:,::1], i8[:,:,::1])"
)
def component(
    decoding: bool,
    phase: Array,
    height: Integer,
    width: Integer,
    phase_of: Array,
    order: Array,
    bounds: Array,
    dense: Integer,
    scales: Array,
    spread: Array,
    adjust: Array,
    mean: Array,
    expected_bucket: Array,
    observed_bucket: Array,
    values: Array,
    magnitudes: Array,
    totals: Array,
    expected: Array,
    cumulative: Array,
    words: Array,
    stack: Array,
    records: Array,
    recorded: Integer,
    work: Array,
    seen: Array,
) -> Integer:
    """All groups of one component's channels (`order`, cut at `bounds`), the first `dense` ones element by element.

    Decoding reads `words` and `stack` (ans.open_stack) and writes `values`; else these are read, and `records` written
    from `recorded` on. Returns the number of records. State: magnitudes and totals (height·width,), expected (n,), in
    1/4096. work: (7, elements of the packet, at least 256). seen: empty, or (2, 2, 256), added to: by whether a
    non-zero came before and by bucket, the sum of magnitudes and of their classes' means."""
    classes, elements, places, parts = work[0], work[1], work[2], work[3]
    firsts, sorted_, starts = work[4], work[5], work[6]
    n = len(spread)
    bucket, counts = np.empty(len(phase), np.int64), np.empty(n, np.int64)
    for g in range(len(bounds) - 1):
        group = order[bounds[g] : bounds[g + 1]]
        group = group[scales[group] >= 0]
        if len(group) == 0:
            continue
        _contexts(phase, spread, expected, expected_bucket, observed_bucket, totals, bucket)
        if g < dense or len(seen):
            count = _list_all(phase, phase_of, group, scales, adjust[0], bucket, classes, elements)
            if len(seen):
                _see(elements, count, values, scales, mean, bucket, seen[0])
        if g < dense:
            recorded = _code_values(
                decoding, RESIDUAL, count, classes, elements, sorted_, starts, values, cumulative, words, stack,
                records, recorded,
            )  # fmt: skip
            _take_in(elements, count, values, height, width, magnitudes, totals)
        else:
            channels = np.empty((n, len(group)), np.int64)
            _by_phase(group, phase_of, channels, counts)
            strips = _list_strips(phase, channels, counts, scales, mean, adjust[0], bucket, classes, places, parts)
            recorded = _code_firsts(
                decoding, phase, channels, strips, classes, places, parts, firsts, sorted_, starts, values, cumulative,
                words, stack, records, recorded,
            )  # fmt: skip
            for after in range(2):
                count = _list_values(
                    after, phase, channels, counts, strips, places, parts, firsts, scales, adjust[after], bucket,
                    classes, elements,
                )  # fmt: skip
                recorded = _code_values(
                    decoding, RESIDUAL if after else LEADING, count, classes, elements, sorted_, starts, values,
                    cumulative, words, stack, records, recorded,
                )  # fmt: skip
                _take_in(elements, count, values, height, width, magnitudes, totals)
                if after and len(seen):
                    _see(elements, count, values, scales, mean, bucket, seen[1])
        for c in group:
            expected[phase_of[c]] += mean[scales[c]]
    return recorded
