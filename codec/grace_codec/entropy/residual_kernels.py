"""The compiled walk over the residual of one packet, the same for encoding, decoding and fitting. residual.py says in
which order elements are coded, contexts.py under which contexts. Integers only.

Elements are numbered channel·area + position in each component's plane. A packet has one element of a channel at a
position where the position's phase is the channel's (contexts.Layout).

Fields of tuples are given names before loops begin: numba counts references at each access to a field.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grace_codec.entropy.ans import RAW, decode, decode_raw
from grace_codec.runtime.jit import Array1, Array2, Array3, Input1, Input2, compiled

CLASSES = 38  # this and the next three as in tables.py and contexts.py
MAX_RUN = 6
BUCKETS = 16
ESCAPE = 81
LARGEST_COUNTED = 15  # magnitudes beyond count as this in the neighbourhoods of others
RESIDUAL, SIGNIFICANT, ZERO_RUN = 0, CLASSES, 2 * CLASSES  # first rows of the three tables in `SymbolCoder.cumulative`


class SymbolCoder(NamedTuple):
    """Where symbols come from or go to. Decoding reads an ANS stack; encoding records symbols in decoding order.

    words, stack: see ans.open_stack; records: (capacity, 2) rows and symbols, see ans.encode; recorded: (1,) how
    many so far; cumulative: (rows, symbols + 1) of all tables, one below the other."""

    decoding: bool
    words: Input1[np.uint32]
    stack: Array1[np.uint64]
    records: Array2[np.int32]
    recorded: Array1[np.int64]
    cumulative: Input2[np.int64]


class PacketLayout(NamedTuple):
    """Where the elements of one component, (channels, height, width), lie in a packet.

    phase: (height·width,) of each position; phase_of: (channels,); spread: (n, n) weight of each phase's elements in
    the neighbourhood of each phase."""

    height: int
    width: int
    phase: Input1[np.uint8]
    phase_of: Input1[np.int64]
    spread: Input2[np.int64]


class ComponentTables(NamedTuple):
    """How the channels of one component are coded: `order` of coding, cut into groups at `bounds`, of which the first
    `dense` are coded element by element.

    adjust: (2, BUCKETS²) change of class by context, before and after a non-zero element of the same zero run;
    mean: (CLASSES,) mean magnitude of each class in 1/4096; expected_bucket, observed_bucket: from sums to buckets."""

    order: Input1[np.int64]
    bounds: Input1[np.int64]
    dense: int
    adjust: Input2[np.int64]
    mean: Input1[np.int64]
    expected_bucket: Input1[np.uint8]
    observed_bucket: Input1[np.uint8]


class Activity(NamedTuple):
    """What is known of a component so far, from which contexts are made.

    magnitudes: (height·width,) sums at each position; totals: (height·width,) the same, summed over each position's
    neighbourhood; expected: (n,) by phase, sum of the mean magnitudes of what was coded, in 1/4096."""

    height: int
    width: int
    magnitudes: Array1[np.int32]
    totals: Array1[np.int32]
    expected: Array1[np.int64]


class Work(NamedTuple):
    """Scratch memory, each with room for every element of the packet.

    keys: what elements (by class) or zero runs (by table) are sorted by; elements: their numbers; order: sorted
    indices; starts: of the keys; run_at, run_part: position of a zero run, and its number there; run_symbol: 1 + the
    column of its first element that is not zero, 0 where all are."""

    keys: Array1[np.int32]
    elements: Array1[np.int32]
    run_at: Array1[np.int32]
    run_part: Array1[np.int32]
    run_symbol: Array1[np.int32]
    order: Array1[np.int32]
    starts: Array1[np.int32]


class PhaseChannels(NamedTuple):
    """Channels of a group by phase: (n, channels of the group), of which the first counts[phase] count."""

    channels: Array2[np.int64]
    counts: Array1[np.int64]


@compiled
def _add_activity(activity: Activity, y: int, x: int, weight: int) -> None:
    """Note a magnitude at (y, x), and what it adds to the neighbourhoods that it is part of.

    Weights 1, 2, 1 / 2, 6, 2 / 1, 2, 1; edges are repeated."""
    height, width, totals = activity.height, activity.width, activity.totals
    activity.magnitudes[y * width + x] += weight
    for v in range(max(y - 1, 0), min(y + 2, height)):
        down = 2 - abs(v - y) + (v == y == 0) + (v == y == height - 1)
        for u in range(max(x - 1, 0), min(x + 2, width)):
            across = 2 - abs(u - x) + (u == x == 0) + (u == x == width - 1)
            totals[v * width + u] += weight * down * across
    totals[y * width + x] += 2 * weight


@compiled
def _pool(fine: Input1[np.int32], activity: Activity) -> None:
    """Start the activity from magnitudes on a grid of twice its height and width."""
    width = activity.width
    for y in range(activity.height):
        for x in range(width):
            k = 4 * y * width + 2 * x
            weight = fine[k] + fine[k + 1] + fine[k + 2 * width] + fine[k + 2 * width + 1]
            if weight:
                _add_activity(activity, y, x, weight)


@compiled
def _bounded(scale: int) -> int:
    """The nearest class that there is."""
    return min(max(scale, 0), CLASSES - 1)


@compiled
def _sort(count: int, size: int, work: Work) -> None:
    """work.order: the first `count` indices by work.keys (below `size`), equal ones as they were: a counting sort."""
    keys, starts, order = work.keys, work.starts, work.order
    starts[: size + 1] = 0
    for k in range(count):
        starts[keys[k] + 1] += 1
    for k in range(size):
        starts[k + 1] += starts[k]
    for k in range(count):
        order[starts[keys[k]]] = k
        starts[keys[k]] += 1


@compiled
def _value(values: Input1[np.int16], element: int) -> int:
    """An element in 64 bits, so that twice its magnitude is in range."""
    return int(values[element])


@compiled
def _record(records: Array2[np.int32], recorded: Array1[np.int64], row: int, symbol: int) -> None:
    k = recorded[0]
    records[k, 0], records[k, 1] = row, symbol
    recorded[0] = k + 1


@compiled
def _code_values(coder: SymbolCoder, table: int, count: int, values: Array1[np.int16], work: Work) -> None:
    """Code the listed elements by class under the rows from `table` on; then, as raw numbers, those whose value has no
    symbol of its own."""
    classes, elements, order = work.keys, work.elements, work.order
    words, stack, cumulative = coder.words, coder.stack, coder.cumulative
    records, recorded = coder.records, coder.recorded
    _sort(count, CLASSES, work)
    escapes = 0
    for i in range(count):
        k = order[i]
        element, row = elements[k], table + classes[k]
        if coder.decoding:
            symbol = decode(words, stack, cumulative, row)
            values[element] = (symbol + 1) // 2 if symbol & 1 else -(symbol // 2)
        else:
            value = _value(values, element)
            symbol = min(2 * abs(value) - (value > 0), ESCAPE)
            _record(records, recorded, row, symbol)
        if symbol == ESCAPE:
            order[escapes] = k  # that far the order has been read
            escapes += 1
    for i in range(escapes):
        element = elements[order[i]]
        if coder.decoding:
            values[element] = np.int16(decode_raw(words, stack))
        else:
            _record(records, recorded, RAW, _value(values, element) & 0xFFFF)


@compiled
def _contexts(layout: PacketLayout, tables: ComponentTables, activity: Activity, out: Array1[np.int64]) -> None:
    """Expected bucket · BUCKETS + observed bucket of every position."""
    phase, spread = layout.phase, layout.spread
    expected_bucket, observed_bucket = tables.expected_bucket, tables.observed_bucket
    expected, totals = activity.expected, activity.totals
    n = len(spread)
    by_phase = np.empty(n, np.int64)
    for p in range(n):
        total = 0
        for q in range(n):
            total += spread[p, q] * expected[q]
        by_phase[p] = BUCKETS * expected_bucket[min(total >> 6, len(expected_bucket) - 1)]
    for at in range(len(phase)):
        out[at] = by_phase[phase[at]] + observed_bucket[min(totals[at], len(observed_bucket) - 1)]


@compiled
def _list_elements(
    layout: PacketLayout,
    group: Input1[np.int64],
    scales: Input1[np.int64],
    steps: Input1[np.int64],
    bucket: Input1[np.int64],
    work: Work,
) -> int:
    """List every element of a group, channel by channel, with its class. Returns their number."""
    phase, phase_of, classes, elements = layout.phase, layout.phase_of, work.keys, work.elements
    count, area = 0, len(phase)
    for c in group:
        for at in range(area):
            if phase[at] == phase_of[c]:
                classes[count], elements[count] = _bounded(steps[bucket[at]] + scales[c]), c * area + at
                count += 1
    return count


@compiled
def _group_by_phase(group: Input1[np.int64], layout: PacketLayout, out: PhaseChannels) -> None:
    channels, counts, phase_of = out.channels, out.counts, layout.phase_of
    counts[:] = 0
    for c in group:
        p = phase_of[c]
        channels[p, counts[p]] = c
        counts[p] += 1


@compiled
def _list_runs(
    layout: PacketLayout,
    by_phase: PhaseChannels,
    scales: Input1[np.int64],
    mean: Input1[np.int64],
    steps: Input1[np.int64],
    bucket: Input1[np.int64],
    work: Work,
) -> int:
    """List every zero run with its table, by length and by the class of its channels' mean. Returns their number."""
    phase, channels, counts = layout.phase, by_phase.channels, by_phase.counts
    tables, run_at, run_part = work.keys, work.run_at, work.run_part
    runs, n = 0, len(counts)
    scale_of = np.empty(n, np.int64)
    for part in range(-(-counts.max() // MAX_RUN)):
        for p in range(n):
            first, last = part * MAX_RUN, min(counts[p], part * MAX_RUN + MAX_RUN)
            total, scale = 0, 0
            for k in range(first, last):
                total += mean[scales[channels[p, k]]]
            total //= max(last - first, 1)
            while scale < CLASSES - 1 and mean[scale] < total:
                scale += 1
            scale_of[p] = scale
        for at in range(len(phase)):
            p = phase[at]
            length = min(counts[p] - part * MAX_RUN, MAX_RUN)
            if length > 0:
                tables[runs] = (length - 1) * CLASSES + _bounded(steps[bucket[at]] + scale_of[p])
                run_at[runs], run_part[runs] = at, part
                runs += 1
    return runs


@compiled
def _code_runs(
    coder: SymbolCoder,
    layout: PacketLayout,
    by_phase: PhaseChannels,
    runs: int,
    values: Input1[np.int16],
    work: Work,
) -> None:
    """Code the symbols of the listed zero runs, by table."""
    tables, order, run_at, run_part, run_symbol = work.keys, work.order, work.run_at, work.run_part, work.run_symbol
    words, stack, cumulative = coder.words, coder.stack, coder.cumulative
    records, recorded = coder.records, coder.recorded
    phase, channels, area = layout.phase, by_phase.channels, len(layout.phase)
    _sort(runs, MAX_RUN * CLASSES, work)
    for i in range(runs):
        k = order[i]
        length, at, row = tables[k] // CLASSES + 1, run_at[k], ZERO_RUN + tables[k]
        if coder.decoding:
            run_symbol[k] = min(decode(words, stack, cumulative, row), length)
            continue
        mine = channels[phase[at]]
        run_symbol[k] = 0
        for column in range(length):
            if values[mine[run_part[k] * MAX_RUN + column] * area + at]:
                run_symbol[k] = column + 1
                break
        _record(records, recorded, row, run_symbol[k])


@compiled
def _list_after_runs(
    after: int,
    layout: PacketLayout,
    by_phase: PhaseChannels,
    runs: int,
    scales: Input1[np.int64],
    steps: Input1[np.int64],
    bucket: Input1[np.int64],
    work: Work,
) -> int:
    """List, with their classes, the first significant element of each zero run (after = 0), or the elements that follow
    it (after = 1). Returns their number."""
    phase, channels, counts = layout.phase, by_phase.channels, by_phase.counts
    run_at, run_part, run_symbol = work.run_at, work.run_part, work.run_symbol
    classes, elements = work.keys, work.elements
    count, area = 0, len(phase)
    for k in range(runs):
        if run_symbol[k] == 0:
            continue
        at, p = run_at[k], phase[run_at[k]]
        first = run_part[k] * MAX_RUN + run_symbol[k] - 1 + after
        last = min(counts[p], run_part[k] * MAX_RUN + MAX_RUN) if after else first + 1
        for c in channels[p, first:last]:
            classes[count], elements[count] = _bounded(steps[bucket[at]] + scales[c]), c * area + at
            count += 1
    return count


@compiled
def _add_values(elements: Input1[np.int32], count: int, values: Input1[np.int16], activity: Activity) -> None:
    """Add the values of the first `count` elements to the activity around them."""
    width = activity.width
    for k in range(count):
        value = _value(values, elements[k])
        if value:
            y, x = divmod(elements[k] % (activity.height * width), width)
            _add_activity(activity, y, x, min(abs(value), LARGEST_COUNTED))


@compiled
def _count_magnitudes(
    elements: Input1[np.int32],
    count: int,
    values: Input1[np.int16],
    scales: Input1[np.int64],
    mean: Input1[np.int64],
    bucket: Input1[np.int64],
    counts: Array2[np.int64],
) -> None:
    """Add to counts (2, BUCKETS²), by context: the elements' magnitudes, and the means of their classes."""
    for k in range(count):
        channel, at = divmod(elements[k], len(bucket))
        counts[0, bucket[at]] += abs(_value(values, elements[k]))
        counts[1, bucket[at]] += mean[scales[channel]]


@compiled
def _code_component(
    coder: SymbolCoder,
    layout: PacketLayout,
    tables: ComponentTables,
    scales: Input1[np.int64],
    values: Array1[np.int16],
    activity: Activity,
    work: Work,
    counts: Array3[np.int64],
) -> None:
    """Code all groups of one component's channels.

    scales: (channels,) class of each channel, −1 where it is empty; values: (channels·area,), written when decoding,
    else read; activity: what is known before, updated. counts: empty, or (2, 2, BUCKETS²) to add to for fitting: by
    whether a significant element came before in the run, the sums of magnitudes and of their classes' means."""
    n = len(layout.spread)
    bucket, phase_counts = np.empty(len(layout.phase), np.int64), np.empty(n, np.int64)
    for g in range(len(tables.bounds) - 1):
        group = tables.order[tables.bounds[g] : tables.bounds[g + 1]]
        group = group[scales[group] >= 0]
        if len(group) == 0:
            continue
        _contexts(layout, tables, activity, bucket)
        if g < tables.dense or len(counts):
            count = _list_elements(layout, group, scales, tables.adjust[0], bucket, work)
            if len(counts):
                _count_magnitudes(work.elements, count, values, scales, tables.mean, bucket, counts[0])
        if g < tables.dense:
            _code_values(coder, RESIDUAL, count, values, work)
            _add_values(work.elements, count, values, activity)
        else:
            by_phase = PhaseChannels(np.empty((n, len(group)), np.int64), phase_counts)
            _group_by_phase(group, layout, by_phase)
            runs = _list_runs(layout, by_phase, scales, tables.mean, tables.adjust[0], bucket, work)
            _code_runs(coder, layout, by_phase, runs, values, work)
            for after in range(2):
                count = _list_after_runs(after, layout, by_phase, runs, scales, tables.adjust[after], bucket, work)
                _code_values(coder, RESIDUAL if after else SIGNIFICANT, count, values, work)
                _add_values(work.elements, count, values, activity)
                if after and len(counts):
                    _count_magnitudes(work.elements, count, values, scales, tables.mean, bucket, counts[1])
        for c in group:
            activity.expected[layout.phase_of[c]] += tables.mean[scales[c]]


@compiled
def _quiet(layout: PacketLayout, expected: Array1[np.int64]) -> Activity:
    """The activity of a component of which nothing is decoded yet."""
    area = layout.height * layout.width
    return Activity(layout.height, layout.width, np.zeros(area, np.int32), np.zeros(area, np.int32), expected)


@compiled
def code_packet(
    coder: SymbolCoder,
    luma: PacketLayout,
    chroma: PacketLayout,
    luma_tables: ComponentTables,
    chroma_tables: ComponentTables,
    scales: Input1[np.int64],
    luma_values: Array1[np.int16],
    chroma_values: Array1[np.int16],
    memory: Array2[np.int32],
    luma_counts: Array3[np.int64],
    chroma_counts: Array3[np.int64],
) -> None:
    """Code luma, then chroma, whose activity starts from luma's: four luma positions lie on one of chroma.

    scales: of luma's channels, then of chroma's; memory: (7, elements of the packet, at least 256), for `Work`; the
    others as in `_code_component`."""
    work = Work(memory[0], memory[1], memory[2], memory[3], memory[4], memory[5], memory[6])
    n, cut = len(luma.spread), len(luma.phase_of)
    activity = _quiet(luma, np.zeros(n, np.int64))
    _code_component(coder, luma, luma_tables, scales[:cut], luma_values, activity, work, luma_counts)
    coarse = _quiet(chroma, np.full(n, 4 * activity.expected.sum() // n))
    _pool(activity.magnitudes, coarse)
    _code_component(coder, chroma, chroma_tables, scales[cut:], chroma_values, coarse, work, chroma_counts)
