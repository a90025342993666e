"""Test vectors of tests/data as pytest parameters; tests/data/README.md names sources and explains fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"

Case = dict[str, Any]


@cache
def _file(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str, *keys: str) -> Any:
    """The part of tests/data/NAME.json that lies under `keys`."""
    part = _file(name)
    for key in keys:
        part = part[key]
    return part


def cases(name: str, *keys: str, where: Callable[[Case], bool] = lambda _: True) -> list[Any]:
    """The cases under `keys` for which `where` holds, as parameters with the cases' names as ids."""
    chosen = [case for case in load(name, *keys) if where(case)]
    assert chosen, f"no case of {name} {keys} is left"
    return [pytest.param(case, id=case.get("name", case.get("hex"))) for case in chosen]


def in_dialect(expected: Any, key: str) -> Any:
    """An expectation that differs between implementations is an object by dialect; this takes the one of `key`."""
    return expected[key] if isinstance(expected, dict) else expected
