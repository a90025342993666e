"""Compiled ANS coding of symbols by rows of cumulative frequencies, bit for bit as constriction's AnsCoder does it.

A stack of 32-bit words under a 64-bit state, 24-bit frequencies. What is coded is first recorded in decoding order, as
(row, symbol) pairs, and then pushed in reverse; row RAW is a plain 16-bit number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grace_codec.runtime.jit import compiled

Array = Any
Integer = Any  # 64 bits

PRECISION = 24
RAW = -1
_RAW_BITS = 16


@compiled("i8(in i4[:,::1], i8, in i8[:,::1], u4[::1])")
def push(records: Array, count: Integer, cumulative: Array, words: Array) -> Integer:
    """Code the first `count` records, the last one first, onto an empty stack; returns the number of words.

    cumulative: (rows, symbols + 1); words: room for count + 2."""
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


@compiled("void(in u4[::1], u8[::1])")
def open_stack(words: Array, stack: Array) -> None:
    """stack: (2,) the state, and how many words lie below it."""
    size = len(words)
    stack[0] = np.uint64(0)
    for _ in range(2):
        if size > 0:
            size -= 1
            stack[0] = (stack[0] << np.uint64(32)) | np.uint64(words[size])
    stack[1] = np.uint64(size)


@compiled("void(in u4[::1], u8[::1], u8, u8)")
def _drop(words: Array, stack: Array, remainder: Integer, width: Integer) -> None:
    state = (stack[0] >> np.uint64(PRECISION)) * width + remainder
    if state < np.uint64(1 << 32) and stack[1] > np.uint64(0):
        stack[1] -= np.uint64(1)
        state = (state << np.uint64(32)) | np.uint64(words[np.int64(stack[1])])
    stack[0] = state


@compiled("i8(in u4[::1], u8[::1], in i8[:,::1], i8)")
def pop(words: Array, stack: Array, cumulative: Array, row: Integer) -> Integer:
    """The next symbol under a row of frequencies."""
    quantile = np.int64(stack[0] & np.uint64((1 << PRECISION) - 1))
    symbol = 0
    while cumulative[row, symbol + 1] <= quantile:
        symbol += 1
    left = cumulative[row, symbol]
    _drop(words, stack, np.uint64(quantile - left), np.uint64(cumulative[row, symbol + 1] - left))
    return symbol


@compiled("i8(in u4[::1], u8[::1])")
def pop_raw(words: Array, stack: Array) -> Integer:
    """The next plain 16-bit number."""
    quantile = np.int64(stack[0] & np.uint64((1 << PRECISION) - 1))
    shift = PRECISION - _RAW_BITS
    _drop(words, stack, np.uint64(quantile & ((1 << shift) - 1)), np.uint64(1 << shift))
    return quantile >> shift
