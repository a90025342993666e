"""A tables file is refused, with a reason, unless it is exactly one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.codec.grace_parts import small_tables

from grace_codec.entropy.tables import CLASSES, load, loads
from grace_codec.errors import ModelError

TEXT = small_tables().dumps()


def test_tables_come_back_as_written() -> None:
    again = loads(TEXT)
    assert again.dumps() == TEXT
    assert again.luma == 6
    assert again.channels == 10


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("format", "other", "format"),
        ("mean", [1, 2], "mean"),
        ("residual", "text", "residual"),
        ("scale", [[0.5] * 15], "scale"),
        ("groups", [[[0, 1]], [[2]]], "groups"),
        ("empty", [[1, 2]] * 14, "empty"),
    ],
)
def test_anything_else_is_refused_with_a_reason(field: str, value: Any, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        loads(json.dumps(json.loads(TEXT) | {field: value}))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_no_text_raises_anything_but_a_model_error(text: str) -> None:
    with pytest.raises(ModelError):
        loads(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.json"):
        load(tmp_path / "nowhere.json")


@pytest.mark.parametrize("level", range(17))
def test_classes_between_levels_lie_between_those_of_the_levels(level: int) -> None:
    tables = small_tables()
    tables.prior[:] = [[0] * 10, [160] * 10, [320] * 10]
    base = tables.base_class(level, 17)
    assert base.tolist() == [round(20 * level / 16 + 1e-9)] * 10 or abs(int(base[0]) - 20 * level / 16) <= 0.5


def test_beyond_the_last_row_classes_go_on_along_the_last_two_rows_and_end_at_the_last_class() -> None:
    tables = small_tables()
    tables.prior[:] = [[0] * 10, [160] * 10, [320] * 10]
    assert tables.base_class(24, 17).tolist() == [30] * 10
    assert tables.base_class(60, 17).tolist() == [CLASSES - 1] * 10
