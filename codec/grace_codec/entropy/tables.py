"""The integers that an entropy coder of one profile runs on. Owns their file; refuses to compute any at run time.

All probabilities are 24-bit integer frequencies. They are fitted once (`training/fit.py`), written as integers, and
never derived from floats again: two machines that read the same file code the same bits.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grace_codec.errors import ModelError

FORMAT = "grace entropy tables 1"
PRECISION = 24  # bits; what constriction's categorical models resolve
PER_OCTAVE = 2  # Laplace classes per octave of mean magnitude: three save 0.2 % and cost a third more time
CLASSES = 38
UNIT_CLASS = 12 * PER_OCTAVE  # the class of mean magnitude 1; class 0 is 2^-12
LARGEST = 40  # largest magnitude with a symbol of its own; beyond: escape
ALPHABET = 2 * LARGEST + 2  # 0, +1, -1, +2, -2, ..., escape
RATIO_BUCKETS = 16  # buckets of observed, and of expected, magnitude in the neighbourhood
MAX_RUN = 6  # elements of a zero run, at most
RUN_CLASSES = MAX_RUN * CLASSES  # by length of the zero run and class
MOTION_CONTEXTS = 54
LARGEST_STEP = 64  # of a context, in classes; arithmetic on classes is in 8 bits
LUMA, CHROMA = 0, 1
SCALE_DELTAS = 15  # change of the scale offset between channels, -7..7 in steps of SCALE_STEP classes
SCALE_STEP = 1
EMPTY_CONTEXTS = 14  # of the flag for a channel without any magnitude, by the class that was expected of it

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """Integer tables of one profile. Channels: luma frequencies first (one per frequency, whatever the sub-block), then
    chroma U and V."""

    residual: Integers  # (CLASSES, ALPHABET) frequencies, each row sums to 2^24
    zero_run: Integers  # (RUN_CLASSES, MAX_RUN + 1) frequencies of all zero, or the first non-zero being the 1st, …
    significant: Integers  # (CLASSES, ALPHABET) frequencies of a value that is known not to be zero
    motion: Integers  # (MOTION_CONTEXTS, ALPHABET) frequencies
    scale: Integers  # (1, SCALE_DELTAS) frequencies
    empty: Integers  # (EMPTY_CONTEXTS, 2) frequencies of not empty, empty
    mean: Integers  # (CLASSES,) mean magnitude of each class in 1/4096
    adjust: Integers  # (2, 2, RATIO_BUCKETS, RATIO_BUCKETS) class steps: component, after a non-zero, buckets
    prior: Integers  # (levels, channels) class of each channel at each rate level, in 1/16 class
    groups: tuple[tuple[tuple[int, ...], ...], ...]  # of luma, of chroma: channels in coding order, larger means first

    @property
    def channels(self) -> int:
        return int(self.prior.shape[1])

    @cached_property
    def luma(self) -> int:
        """Luma frequencies."""
        return sum(len(group) for group in self.groups[LUMA])

    @cached_property
    def order(self) -> Integers:
        """All channels in coding order: luma, then chroma."""
        return np.array([c for component in self.groups for group in component for c in group], np.int64)

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of the tables' text: part of what both ends of a call must share."""
        return zlib.crc32(self.dumps().encode())

    def base_class(self, fine_level: int, fine_levels: int) -> Integers:
        """(channels,) class of each channel at a rate level: rows of `prior` interpolated, and beyond the last row on
        the last two rows' line. Integers only. fine_levels: levels from the first to the last row."""
        rows = len(self.prior)
        at = fine_level * (rows - 1)
        low = min(at // max(1, fine_levels - 1), max(0, rows - 2))
        part = at - low * (fine_levels - 1)
        high = min(low + 1, rows - 1)
        mixed = (
            self.prior[low] * (fine_levels - 1 - part) + self.prior[high] * part if fine_levels > 1 else self.prior[0]
        )
        unit = 16 * max(1, fine_levels - 1)
        return np.asarray(((2 * mixed + unit) // (2 * unit)).clip(0, CLASSES - 1), np.int64)

    def dumps(self) -> str:
        """The text of the tables' file; `loads` reads it."""
        fields = {_KEYS.get(k, k): v.tolist() for k, v in vars(self).items() if k in _SHAPES}
        return json.dumps({"format": FORMAT, **fields, "groups": self.groups}, separators=(",", ":"))


_SHAPES: dict[str, tuple[int | None, ...]] = {
    "residual": (CLASSES, ALPHABET),
    "zero_run": (RUN_CLASSES, MAX_RUN + 1),
    "significant": (CLASSES, ALPHABET),
    "motion": (MOTION_CONTEXTS, ALPHABET),
    "scale": (1, SCALE_DELTAS),
    "empty": (EMPTY_CONTEXTS, 2),
    "mean": (CLASSES,),
    "adjust": (2, 2, RATIO_BUCKETS, RATIO_BUCKETS),
    "prior": (None, None),
}


_KEYS = {"zero_run": "run", "significant": "leading"}
"""Names in the file where they differ: part of its checksum."""

_FREQUENCIES = ("residual", "zero_run", "significant", "motion", "scale", "empty")


def _array(raw: Mapping[str, object], name: str) -> Integers:
    array = np.array(raw[_KEYS.get(name, name)])
    shape = _SHAPES[name]
    if (
        array.dtype.kind != "i"
        or array.ndim != len(shape)
        or any(s not in (None, a) for s, a in zip(shape, array.shape, strict=True))
    ):
        raise ValueError(f"{name} is not an integer array of shape {shape}")
    if name in _FREQUENCIES and bool((array < 1).any() or (array.sum(-1) != 1 << PRECISION).any()):
        raise ValueError(f"{name}: frequencies must be positive and sum to 2^{PRECISION}")
    return array.astype(np.int64)


def loads(text: str, source: str = "entropy tables") -> Tables:
    """Parse what `Tables.dumps` wrote. Raises ModelError, with what is wrong, for anything else."""
    try:
        raw = json.loads(text)
        if raw.get("format") != FORMAT:
            raise ValueError(f"format is {raw.get('format')!r}, expected {FORMAT!r}")
        groups = tuple(tuple(tuple(int(c) for c in g) for g in component) for component in raw["groups"])
        tables = Tables(**{name: _array(raw, name) for name in _SHAPES}, groups=groups)
        if np.abs(tables.adjust).max() > LARGEST_STEP or (np.diff(tables.mean, prepend=1) < 0).any():
            raise ValueError("context steps are too large, or class means fall")
        if not 1 <= len(tables.prior) <= 256 or tables.prior.min() < 0 or tables.prior.max() > 16 * (CLASSES - 1):
            raise ValueError("prior classes are out of range")
        named = [sorted(c for group in component for c in group) for component in groups]
        if len(named) != 2 or named[0] + named[1] != list(range(tables.channels)):
            raise ValueError("groups do not name every channel once, luma before chroma")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{source}: not usable entropy tables: {error}") from error
    return tables


def load(path: Path) -> Tables:
    """Read a tables file. Raises ModelError where it cannot be read or is not one."""
    try:
        return loads(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot read entropy tables: {error.strerror}") from error
