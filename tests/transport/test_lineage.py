"""Names of states: golden values, and what makes two names differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.lineage import NO_STATE, all_of, lineage


@pytest.mark.parametrize(
    ("history", "decoded", "replayed"),
    [
        ((0, 0, 1, 0b1), 0x954F32D7, 0x8C540396),
        ((0xCAFEBABE, 6, 10, 0b11_1111_0111), 0x4322D21D, 0x42E0B82A),
        ((0xCAFEBABE, 6, 10, 0b11_1111_1111), 0x8BFB5815, 0x8A393222),
        ((5, 7, 0, 0), 0x2B13BDA4, 0x5C148D32),
        ((5, 7, 4095, all_of(4095)), 0xCE74E4C4, 0xFBD13EE5),
    ],
)
def test_golden_values(history: tuple[int, int, int, int], decoded: int, replayed: int) -> None:
    assert lineage(*history) == decoded
    assert lineage(*history, replayed=True) == replayed


def test_frame_ids_count_modulo_the_wire() -> None:
    """A receiver that joined late counts from another start and must still agree."""
    assert lineage(1, 5, 3, 7) == lineage(1, 5 + (1 << 16), 3, 7) == lineage(1, 5 - (1 << 16), 3, 7)
    assert len({lineage(1, 5 + (1 << bit), 3, 7) for bit in range(16)}) == 16


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 64), st.integers(0, 2**64 - 1), st.booleans())
def test_a_state_is_never_called_none(parent: int, frame_id: int, total: int, bits: int, replayed: bool) -> None:
    name = lineage(parent, frame_id, total, bits & all_of(total), replayed=replayed)
    assert name != NO_STATE
    assert 0 < name < 2**32


def test_each_part_of_the_history_counts() -> None:
    names = {
        lineage(parent, frame_id, total, received, replayed=replayed)
        for parent in (1, 2)
        for frame_id in (1, 2)
        for total, received in ((8, 1), (8, 2), (9, 1), (0, 0))
        for replayed in (False, True)
    }
    assert len(names) == 2 * 2 * 4 * 2
