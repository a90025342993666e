"""Counters that wrap follow plain ints."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_transport.wire.seq import Unwrapper, nearest


def test_first_value_stands_for_itself() -> None:
    assert Unwrapper(16).unwrap(65_535) == 65_535


def test_wrap_counts_on() -> None:
    unwrapper = Unwrapper(16)
    assert [unwrapper.unwrap(wire) for wire in (65_534, 65_535, 0, 1)] == [65_534, 65_535, 65_536, 65_537]


def test_reordered_value_goes_back() -> None:
    unwrapper = Unwrapper(16)
    assert [unwrapper.unwrap(wire) for wire in (65_535, 1, 65_534, 2)] == [65_535, 65_537, 65_534, 65_538]


def test_value_before_the_first_is_negative() -> None:
    unwrapper = Unwrapper(16)
    assert [unwrapper.unwrap(wire) for wire in (1, 65_535, 2)] == [1, -1, 2]


def test_half_the_span_is_ahead() -> None:
    assert nearest(0, 0x8000, 16) == 0x8000
    assert nearest(0, 0x8001, 16) == 0x8001 - 0x10000


def test_last_and_reset() -> None:
    unwrapper = Unwrapper(32)
    assert unwrapper.last is None
    unwrapper.unwrap(7)
    assert unwrapper.last == 7
    unwrapper.reset()
    assert unwrapper.unwrap(2**32 - 1) == 2**32 - 1


@given(st.integers(0, 2**48), st.lists(st.integers(-0x7FFF, 0x8000), max_size=50), st.sampled_from([16, 24, 32]))
def test_steps_of_less_than_half_the_span_are_followed(start: int, steps: list[int], bits: int) -> None:
    unwrapper = Unwrapper(bits)
    span = 1 << bits
    value = start % span
    assert unwrapper.unwrap(value) == value
    for step in steps:
        value += step
        assert unwrapper.unwrap(value % span) == value
