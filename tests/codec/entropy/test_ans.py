"""The compiled coder against constriction's, whose bytes it shares a stream with."""

from __future__ import annotations

import constriction
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.entropy import ans
from grace_codec.entropy.symbols import model

FREQUENCIES = np.array([[(1 << 24) - 3, 1, 1, 1], [1 << 22, 1 << 23, (1 << 22) - 7, 7]], np.int64)
CUMULATIVE = np.concatenate([np.zeros((2, 1), np.int64), FREQUENCIES.cumsum(1)], 1)
MODELS = (*map(model, FREQUENCIES), constriction.stream.model.Uniform(1 << 16))  # the last for ans.RAW
RECORDS = st.lists(
    st.one_of(st.tuples(st.integers(0, 1), st.integers(0, 3)), st.tuples(st.just(ans.RAW), st.integers(0, 0xFFFF))),
    max_size=200,
)


def encoded(records: np.ndarray) -> np.ndarray:
    words = np.empty(len(records) + 2, np.uint32)
    return words[: ans.encode(records, len(records), CUMULATIVE, words)]


@given(RECORDS)
def test_words_are_those_of_constriction(records: list[tuple[int, int]]) -> None:
    coder = constriction.stream.stack.AnsCoder()
    for row, symbol in reversed(records):
        coder.encode_reverse(np.array([symbol], np.int32), MODELS[row])
    assert np.array_equal(encoded(np.array(records, np.int32).reshape(-1, 2)), coder.get_compressed())


@given(st.lists(st.integers(-1, 1), max_size=200), st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_any_words_decode_as_constriction_decodes_them(rows: list[int], stream: list[int]) -> None:
    words = np.array(stream, np.uint32)
    while len(words) and words[-1] == 0:  # constriction takes no such stream
        words = words[:-1]
    coder, stack = constriction.stream.stack.AnsCoder(words), np.zeros(2, np.uint64)
    ans.open_stack(words, stack)
    for row in rows:
        mine = ans.decode_raw(words, stack) if row == ans.RAW else ans.decode(words, stack, CUMULATIVE, row)
        assert mine == coder.decode(MODELS[row], 1)[0]
