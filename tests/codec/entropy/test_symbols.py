"""Laws of the entropy coder's lowest layer: exact frequencies, escapes, bytes that cannot hurt."""

from __future__ import annotations

import constriction
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grace_codec.entropy.symbols import (
    SymbolDecoder,
    SymbolEncoder,
    decode_values,
    encode_values,
    fold,
    model,
    models,
    sort_batches,
)
from grace_codec.training.fit import laplace, to_frequencies

TABLE = to_frequencies(laplace(np.array([0.05, 0.6, 8.0])))


def symbol_at(table: object, quantile: int) -> int:
    coder = constriction.stream.stack.AnsCoder(np.array([quantile, 1], np.uint32))
    return int(coder.decode(table, 1)[0])


@given(st.lists(st.integers(1, 1 << 18), min_size=2, max_size=60))
def test_models_have_exactly_the_integer_frequencies_of_their_table(weights: list[int]) -> None:
    frequencies = np.array(weights, np.int64)
    frequencies[0] += (1 << 24) - frequencies.sum()
    if frequencies[0] < 1:
        return
    table, bounds = model(frequencies), np.concatenate([[0], np.cumsum(frequencies)])
    for symbol in range(len(weights)):
        assert symbol_at(table, int(bounds[symbol])) == symbol
        assert symbol_at(table, int(bounds[symbol + 1]) - 1) == symbol


def test_fold_orders_by_magnitude_and_escapes_beyond_40() -> None:
    values = np.array([0, 1, -1, 2, -2, 40, -40, 41, -41, 32767, -32768], np.int16)
    assert fold(values).tolist() == [0, 1, 2, 3, 4, 79, 80, 81, 81, 81, 81]


@given(arrays(np.int16, st.integers(0, 300)), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_any_values_come_back_from_any_packets(values: np.ndarray, packets: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    owner, table = draw.integers(0, packets, len(values)), draw.integers(0, 3, len(values))
    encoders = [SymbolEncoder() for _ in range(packets)]
    encode_values(encoders, sort_batches(owner, table), values, models(TABLE))
    decoders = {j: SymbolDecoder(encoder.to_bytes()) for j, encoder in enumerate(encoders)}
    assert np.array_equal(decode_values(decoders, sort_batches(owner, table), models(TABLE)), values)
    assert all(decoder.exhausted for decoder in decoders.values())


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise(data: bytes) -> None:
    decoder = SymbolDecoder(data)
    batches = sort_batches(np.zeros(500, np.uint8), np.arange(500) % 3)
    assert len(decode_values({0: decoder}, batches, models(TABLE))) == 500


def test_zeros_before_anything_else_cost_nothing() -> None:
    encoder = SymbolEncoder()
    encode_values(
        [encoder], sort_batches(np.zeros(9, np.uint8), np.zeros(9, np.uint8)), np.zeros(9, np.int16), models(TABLE)
    )
    assert encoder.to_bytes() == b""
