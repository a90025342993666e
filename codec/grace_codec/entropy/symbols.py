"""Signed integers as symbols of an ANS coder (ans.py says what that is), here constriction's, which takes a batch of
symbols under one table per call. Owns escapes and the byte form of the coder's words; refuses to know what the integers
mean.

The coder is a stack (last in, first out): the encoder collects batches in decoding order and codes them in reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import constriction
import numpy as np
import numpy.typing as npt

from grace_codec.entropy.tables import ALPHABET, LARGEST, Integers

Values = npt.NDArray[np.int32]
Model = object  # constriction has no types

ESCAPE = ALPHABET - 1
_RAW = constriction.stream.model.Uniform(1 << 16)


def model(frequencies: Integers) -> Model:
    """A categorical model with exactly these 24-bit integer frequencies.

    constriction gives every symbol one unit and shares out the rest in proportion: with frequency − 1 as weight the
    proportions are whole units, so that no float rounding is left (pinned by tests/codec/test_symbols.py)."""
    return constriction.stream.model.Categorical((frequencies - 1).astype(np.float64), perfect=False)


@lru_cache(maxsize=8)
def _models(raw: bytes, rows: int) -> tuple[Model, ...]:
    table = np.frombuffer(raw, np.int64).reshape(rows, -1)
    return tuple(model(row) for row in table)


def models(table: Integers) -> tuple[Model, ...]:
    """One model per row of a frequency table (cached)."""
    return _models(np.ascontiguousarray(table).tobytes(), len(table))


def fold(values: npt.NDArray[np.int16]) -> Values:
    """0, +1, −1, +2, −2, … as 0, 1, 2, 3, 4, …; magnitudes beyond LARGEST as ESCAPE. Zero is symbol 0: ANS codes
    leading zeros of a stream for nothing."""
    clipped = np.minimum(np.maximum(values, -LARGEST - 1), LARGEST + 1)
    return np.asarray(_FOLD.take(clipped, mode="wrap"), np.int32)


_UNFOLD = np.array([0] + [s for k in range(1, LARGEST + 1) for s in (k, -k)] + [0], np.int16)


def _fold_table() -> Values:
    """Symbols of −LARGEST−1 … LARGEST+1, negative ones at the end, where Python's negative indices find them."""
    k = np.r_[0 : LARGEST + 2, -LARGEST - 1 : 0]
    return np.asarray(np.minimum(2 * np.abs(k) - (k > 0), ESCAPE), np.int32)


_FOLD = _fold_table()


class SymbolEncoder:
    """Collects batches of symbols in decoding order; `to_bytes` codes them."""

    def __init__(self) -> None:
        self.batches: list[tuple[Values, Model]] = []

    def add(self, symbols: Values, model: Model) -> None:
        """Queue symbols, all under one model."""
        self.batches.append((symbols, model))

    def to_bytes(self, last: npt.NDArray[np.uint32] | None = None) -> bytes:
        """The packet's stream: words in little-endian order without trailing zero bytes. last: words of a stack that is
        to be decoded after these batches."""
        coder = constriction.stream.stack.AnsCoder(last)
        for symbols, table in reversed(self.batches):
            coder.encode_reverse(symbols, table)
        return bytes(coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0"))


class SymbolDecoder:
    """Decodes batches in the order in which `SymbolEncoder` collected them. Never raises for the bytes it was given."""

    def __init__(self, data: bytes) -> None:
        data = data.rstrip(b"\0")  # an ANS stream never ends in a zero byte; constriction insists
        words = np.frombuffer(data + b"\0" * (-len(data) % 4), "<u4").astype(np.uint32)
        self._coder = constriction.stream.stack.AnsCoder(words)
        self.decode: Callable[[Model, int], Values] = self._coder.decode
        """(model, count) to the next `count` symbols, all under one model. Called hundreds of times per frame."""

    def rest(self) -> npt.NDArray[np.uint32]:
        """The words of what is not decoded yet."""
        return np.asarray(self._coder.get_compressed(), np.uint32)

    @property
    def exhausted(self) -> bool:
        """Whether every bit was used up, as it is after a complete and correct decoding."""
        return bool(self._coder.is_empty())


@dataclass(frozen=True, slots=True)
class Batches:
    """Elements of several packets, sorted so that those that share packet and table are neighbours."""

    order: npt.NDArray[np.int64]  # element indices by packet, table, index
    packets: list[int]  # of each batch
    tables: list[int]
    bounds: list[int]  # batch r is order[bounds[r] : bounds[r + 1]]


def sort_batches(packets: npt.NDArray[np.integer], tables: npt.NDArray[np.integer]) -> Batches:
    """Batches of elements by their packet and table, both below 256."""
    key = (packets.astype(np.uint16) << 8) | tables.astype(np.uint16)
    order = np.argsort(key, kind="stable")  # a radix sort for 16-bit keys
    keys = key.take(order)
    starts = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    firsts = keys[np.concatenate([[0], starts])] if keys.size else keys
    bounds = [0, *starts.tolist(), len(keys)] if keys.size else [0]
    return Batches(order, (firsts >> 8).tolist(), (firsts & 255).tolist(), bounds)


def encode_values(
    encoders: Sequence[SymbolEncoder],
    batches: Batches,
    values: npt.NDArray[np.int16],
    table: tuple[Model, ...],
) -> None:
    """Queue these values, each in its packet under its table; escapes follow per packet as raw 16-bit numbers."""
    symbols = fold(values).take(batches.order)
    for j, t, start, stop in zip(batches.packets, batches.tables, batches.bounds, batches.bounds[1:], strict=False):
        encoders[j].batches.append((symbols[start:stop], table[t]))
    for j, where in _escapes(batches, symbols):
        encoders[j].add((values[batches.order[where]].astype(np.int32)) & 0xFFFF, _RAW)


def decode_values(
    decoders: Mapping[int, SymbolDecoder], batches: Batches, table: tuple[Model, ...]
) -> npt.NDArray[np.int16]:
    """The values that `encode_values` queued, in element order."""
    symbols = np.empty(len(batches.order), np.int32)
    for j, t, start, stop in zip(batches.packets, batches.tables, batches.bounds, batches.bounds[1:], strict=False):
        symbols[start:stop] = decoders[j].decode(table[t], stop - start)
    found = _UNFOLD.take(symbols)
    for j, where in _escapes(batches, symbols):
        found[where] = decoders[j].decode(_RAW, len(where)).astype(np.uint16).astype(np.int16)
    values = np.empty(len(symbols), np.int16)
    values[batches.order] = found
    return values


def _escapes(batches: Batches, symbols: Values) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(packet, positions among the sorted symbols) for each packet with escapes."""
    if not symbols.size or int(symbols.max()) < ESCAPE:
        return
    where = np.flatnonzero(symbols == ESCAPE)
    batch = np.searchsorted(np.array(batches.bounds), where, side="right") - 1
    owner = np.array(batches.packets)[batch]
    for j in np.unique(owner).tolist():
        yield j, where[owner == j]
