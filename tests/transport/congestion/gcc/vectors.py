"""Test vectors of gcc.json, where ../shared is at hand; otherwise no cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[4] / "../shared/vectors/gcc.json"

Case = dict[str, Any]


def load(*path: str) -> Any:
    """The part of the file at `path`; an empty list if the file is absent."""
    if not PATH.exists():
        return []
    part = json.loads(PATH.read_text(encoding="utf-8"))
    for key in path:
        part = part[key]
    return part


def cases(*path: str) -> list[Any]:
    """Parameters with the cases' names as ids; one skipped parameter if the file is absent."""
    found = load(*path)
    if not found:
        return [pytest.param({}, id="vectors", marks=pytest.mark.skip(reason=f"no {PATH.name} here"))]
    return [pytest.param(case, id=case["name"]) for case in found]


def in_dialect(expected: Any, key: str) -> Any:
    """An expectation that differs by dialect is an object; take ours."""
    return expected[key] if isinstance(expected, dict) else expected
