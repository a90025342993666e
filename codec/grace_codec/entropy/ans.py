"""Asymmetric numeral systems (ANS) over rows of cumulative frequencies, compiled; bit for bit what constriction's
AnsCoder does.

ANS (Duda, "Asymmetric numeral systems", 2013) keeps a whole message in one integer. To code a symbol that has
frequency f of 2^24 and cumulative frequency c, the state x becomes (x div f)·2^24 + c + (x mod f): it grows by the
factor 2^24 / f, which is the symbol's ideal code length. Decoding reads the symbol off the low 24 bits and undoes the
step. What was coded last therefore comes out first: the coder is a stack. The state here has 64 bits, with 32-bit words
of the stack below it; a word moves between the two when the state gets too large or too small.

To let a decoder work in its natural order, the encoder first records its symbols in decoding order, as (row, symbol)
pairs, and then codes them in reverse. Row RAW stands for a plain 16-bit number. All arithmetic is in integers.
"""

from __future__ import annotations

import numpy as np

from grace_codec.runtime.jit import Array1, Input1, Input2, compiled

PRECISION = 24  # bits of a frequency
RAW = -1
_RAW_BITS = 16


@compiled
def encode(records: Input2[np.int32], count: int, cumulative: Input2[np.int64], words: Array1[np.uint32]) -> int:
    """Code the first `count` records, the last one first, onto an empty stack. Returns the number of words.

    records: (at least count, 2) rows and symbols; cumulative: (rows, symbols + 1), from 0 to 2^24; words: room for
    count + 2."""
    state = np.uint64(0)
    size = 0
    for k in range(count - 1, -1, -1):
        row, symbol = records[k, 0], records[k, 1]
        if row == RAW:
            left, width = np.uint64(symbol) << np.uint64(PRECISION - _RAW_BITS), np.uint64(1 << PRECISION - _RAW_BITS)
        else:
            left = np.uint64(cumulative[row, symbol])
            width = np.uint64(cumulative[row, symbol + 1]) - left
        if state >> np.uint64(64 - PRECISION) >= width:
            words[size] = np.uint32(state & np.uint64(0xFFFFFFFF))
            size += 1
            state >>= np.uint64(32)
        high = state // width
        state = (high << np.uint64(PRECISION)) | (state - high * width + left)
    while state != np.uint64(0):
        words[size] = np.uint32(state & np.uint64(0xFFFFFFFF))
        size += 1
        state >>= np.uint64(32)
    return size


@compiled
def open_stack(words: Input1[np.uint32], stack: Array1[np.uint64]) -> None:
    """Begin to decode. stack: (2,) becomes the state and the number of words that lie below it."""
    size = len(words)
    stack[0] = np.uint64(0)
    for _ in range(2):
        if size > 0:
            size -= 1
            stack[0] = (stack[0] << np.uint64(32)) | np.uint64(words[size])
    stack[1] = np.uint64(size)


@compiled
def _drop(words: Input1[np.uint32], stack: Array1[np.uint64], remainder: np.uint64, width: np.uint64) -> None:
    """Undo the coding of a symbol of frequency `width`; remainder: the state's low bits less the symbol's cumulative
    frequency."""
    state = (stack[0] >> np.uint64(PRECISION)) * width + remainder
    if state < np.uint64(1 << 32) and stack[1] > np.uint64(0):
        stack[1] -= np.uint64(1)
        state = (state << np.uint64(32)) | np.uint64(words[np.int64(stack[1])])
    stack[0] = state


@compiled
def decode(words: Input1[np.uint32], stack: Array1[np.uint64], cumulative: Input2[np.int64], row: int) -> int:
    """The next symbol under a row of frequencies. Any words decode to something: past their end they read as zeros."""
    quantile = np.int64(stack[0] & np.uint64((1 << PRECISION) - 1))
    symbol = 0
    while cumulative[row, symbol + 1] <= quantile:
        symbol += 1
    left = cumulative[row, symbol]
    _drop(words, stack, np.uint64(quantile - left), np.uint64(cumulative[row, symbol + 1] - left))
    return symbol


@compiled
def decode_raw(words: Input1[np.uint32], stack: Array1[np.uint64]) -> int:
    """The next plain 16-bit number."""
    quantile = np.int64(stack[0] & np.uint64((1 << PRECISION) - 1))
    shift = PRECISION - _RAW_BITS
    _drop(words, stack, np.uint64(quantile & ((1 << shift) - 1)), np.uint64(1 << shift))
    return int(quantile >> shift)
