"""The class of each residual channel: chosen once per frame, sent in every packet. Owns that choice and its symbols.

Channels go in coding order. Each is empty, or has an offset (in steps of SCALE_STEP classes) to the class that the
profile's prior expects at this rate level; the change of the offset is coded. Offsets are chosen by dynamic programming
over total bits: a change must earn what it costs in all n packets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grace_codec.entropy.symbols import SymbolDecoder, SymbolEncoder, models
from grace_codec.entropy.tables import CLASSES, EMPTY_CONTEXTS, PRECISION, SCALE_DELTAS, SCALE_STEP, Integers, Tables

OFFSETS = 21  # −10..10 steps: 2^(±20/3) around the prior
_HALF, _REACH = OFFSETS // 2, SCALE_DELTAS // 2
_TO = np.arange(OFFSETS)
Floats = npt.NDArray[np.float64]


def magnitude_bits(mean: Floats) -> Floats:
    """(..., 3): bits per element, extra bits per non-zero element, bits per unit of magnitude, of the moment-matched
    Laplace: P(0) = 1 − t, P(±k) = t^(2k−1)(1 − t²)/2. Encoder decisions only; nothing here reaches the bitstream."""
    t = (np.sqrt(1 + 4 * mean * mean) - 1) / (2 * mean)
    empty = -np.log2(1 - t)
    nonzero = np.log2(t) - np.log2((1 - t * t) / 2) - empty
    return np.stack([empty, nonzero, -2 * np.log2(t)], -1)


def _offset_classes(base: Integers) -> Integers:
    """(channels, OFFSETS) class of every channel at every offset."""
    return np.asarray(np.clip(base[:, None] + SCALE_STEP * np.arange(-_HALF, _HALF + 1), 0, CLASSES - 1), np.int64)


def _change_bits(tables: Tables) -> Floats:
    """(OFFSETS, OFFSETS) bits for going from one offset to another; unreachable changes cost a fortune."""
    bits = PRECISION - np.log2(tables.scale[0])
    delta = np.arange(OFFSETS)[None, :] - np.arange(OFFSETS)[:, None]
    return np.where(np.abs(delta) <= _REACH, bits[np.clip(delta, -_REACH, _REACH) + _REACH], 1e6)


@dataclass(frozen=True, slots=True)
class Scales:
    """Classes, and what is sent of them: which of the first channels in coding order are empty (the others all are),
    and the change of offset, 0..SCALE_DELTAS − 1, at each channel that is not."""

    classes: Integers  # (channels,), −1 for an empty channel
    empty: npt.NDArray[np.int32]  # (count,) 0 or 1
    changes: npt.NDArray[np.int32]


class ScaleChooser:
    """Chooses channel classes for frames of one profile."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._bits = magnitude_bits(tables.mean / 4096.0)  # (CLASSES, 3)
        self._change = _change_bits(tables)

    def choose(self, statistics: Floats, base: Integers, packets: int) -> Scales:
        """Classes of the channels from (channels, 3) statistics: elements, non-zeros, magnitude."""
        order = self._tables.order
        place = np.flatnonzero(statistics[order, 2] > 0)
        order = order[place]
        scales = np.full(len(base), -1, np.int64)
        if not order.size:
            return Scales(scales, np.zeros(0, np.int32), np.zeros(0, np.int32))
        classes = _offset_classes(base[order])
        costs = (statistics[order, None] * self._bits[classes]).sum(-1)  # no BLAS: its idle threads spin
        offsets = self._cheapest(costs, self._change * packets)
        scales[order] = classes[np.arange(len(order)), offsets]
        empty = np.ones(int(place[-1]) + 1, np.int32)
        empty[place] = 0
        return Scales(scales, empty, (np.diff(offsets, prepend=_HALF) + _REACH).astype(np.int32))

    def _cheapest(self, costs: Floats, change: Floats) -> Integers:
        """The path of offsets, (channels,), of the least total bits."""
        total = change[_HALF] + costs[0]
        back = np.zeros(costs.shape, np.int64)
        for i in range(1, len(costs)):
            through = total + change.T  # [to, from]
            back[i] = through.argmin(1)
            total = through[_TO, back[i]] + costs[i]
        path = [int(total.argmin())]
        for i in range(len(costs) - 1, 0, -1):
            path.append(int(back[i, path[-1]]))
        return np.array(path[::-1], np.int64)


def _empty_context(base: Integers) -> Integers:
    return base * EMPTY_CONTEXTS // CLASSES


def encode_scales(encoder: SymbolEncoder, tables: Tables, symbols: Scales, base: Integers) -> None:
    """Count of channels, flags by context, changes."""
    encoder.add(np.array([len(symbols.empty)], np.int32), models(_uniform(tables.channels + 1))[0])
    context = _empty_context(base[tables.order[: len(symbols.empty)]])
    for row, table in enumerate(models(tables.empty)):
        if (hit := context == row).any():
            encoder.add(symbols.empty[hit], table)
    if symbols.changes.size:
        encoder.add(symbols.changes, models(tables.scale)[0])


def decode_scales(decoder: SymbolDecoder, tables: Tables, base: Integers) -> Integers:
    """(channels,) classes as `encode_scales` was given them. Whatever the bytes, classes are in range."""
    count = int(decoder.decode(models(_uniform(tables.channels + 1))[0], 1)[0])
    channels = tables.order[:count]
    context = _empty_context(base[channels])
    empty = np.zeros(count, np.int32)
    for row, table in enumerate(models(tables.empty)):
        if (hit := context == row).any():
            empty[hit] = decoder.decode(table, int(hit.sum()))
    coded = channels[empty == 0]
    scales = np.full(tables.channels, -1, np.int64)
    if coded.size:
        offsets = np.cumsum(decoder.decode(models(tables.scale)[0], coded.size).astype(np.int64) - _REACH)
        scales[coded] = np.clip(base[coded] + SCALE_STEP * offsets, 0, CLASSES - 1)
    return scales


def _uniform(symbols: int) -> Integers:
    """One row of equal frequencies that sum to 2^24."""
    row = np.full(symbols, (1 << PRECISION) // symbols, np.int64)
    row[0] += (1 << PRECISION) - row.sum()
    return row[None]
