"""Replaces attributes of modules and classes, and puts the very same objects back."""

from __future__ import annotations

from typing import Any


class Patches:
    """What was replaced, in order."""

    def __init__(self) -> None:
        self._originals: list[tuple[object, str, Any]] = []

    def replace(self, owner: object, name: str, value: Any) -> None:
        """Raises AttributeError where there is nothing to replace."""
        self._originals.append((owner, name, vars(owner)[name] if name in vars(owner) else getattr(owner, name)))
        setattr(owner, name, value)

    def restore(self) -> None:
        while self._originals:
            owner, name, value = self._originals.pop()
            setattr(owner, name, value)
