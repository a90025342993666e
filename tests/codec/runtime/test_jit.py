"""Laws of compiling: types come from annotations, tuples are taken whole, nothing needs a place on disk."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from grace_codec.runtime import jit
from grace_codec.runtime.jit import Array1, Input1, Input2, compiled, read_only


class Scaled(NamedTuple):
    values: Input1[np.int32]
    total: Array1[np.int64]
    factor: int
    active: bool


@compiled
def add_up(work: Scaled, rows: Input2[np.uint8]) -> int:
    """Add to the total, and return how many were added."""
    if not work.active:
        return 0
    for value in work.values:
        work.total[0] += work.factor * value
    return len(work.values) + len(rows)


def test_a_named_tuple_is_read_and_written_by_its_fields() -> None:
    total = np.zeros(1, np.int64)
    work = Scaled(read_only(np.array([1, 2, 3], np.int32)), total, 10, True)
    assert add_up(work, np.zeros((4, 2), np.uint8)) == 7
    assert total[0] == 60
    assert add_up(work._replace(active=False), np.zeros((4, 2), np.uint8)) == 0


def test_an_argument_that_is_only_read_may_be_read_only() -> None:
    work = Scaled(read_only(np.zeros(0, np.int32)), np.zeros(1, np.int64), 1, True)
    assert add_up(work, read_only(np.zeros((4, 2), np.uint8))) == 4


def test_arguments_of_other_types_are_refused() -> None:
    work = Scaled(read_only(np.zeros(0, np.int32)), np.zeros(1, np.int64), 1, True)
    with pytest.raises(TypeError, match="No matching definition"):
        add_up(work, np.zeros((4, 2), np.int16))


def test_read_only_shares_memory_and_refuses_writing() -> None:
    array = np.zeros(3, np.int32)
    view = read_only(array)
    array[1] = 5
    assert view[1] == 5
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


def test_an_annotation_without_a_machine_type_is_a_callers_error() -> None:
    def greet(name: str) -> None: ...

    with pytest.raises(TypeError, match="cannot have an argument"):
        compiled(greet)


def first_of(values: Input1[np.int64]) -> int:
    return int(values[0])


def test_where_nothing_can_be_kept_loops_are_compiled_at_every_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    really = numba.njit

    def read_only_disk(*args: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return really(*args, **options)

    monkeypatch.setattr(numba, "njit", read_only_disk)
    monkeypatch.setattr(jit, "_announced", [])
    assert compiled(first_of)(np.array([21])) == 21
    assert "at every start, because cannot cache function" in capsys.readouterr().err
