"""Wire formats: bytes <-> dataclasses, nothing else (docs/wire.md)."""
