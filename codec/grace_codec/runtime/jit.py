"""Inner loops compiled by numba to machine code. Owns how they are compiled; refuses to know codecs.

A function is compiled for the types of its annotations when its module is imported, and kept in numba's cache on disk:
only the first import on a machine takes seconds. The annotations are those that mypy checks:

- `int`, `bool`, `np.uint64`, …: a scalar; `int` has 64 bits.
- `Array1[np.int32]`, `Array2[…]`, `Array3[…]`: a C-contiguous array of so many dimensions, which may be written to.
- `Input1[np.int32]`, …: the same, but only read. A read-only array is accepted as well as a writable one.
- a NamedTuple of these. Its arrays must be exactly as annotated: `read_only` makes those for `Input` fields.

Bounds are not checked: callers hand in arrays of the sizes that docstrings give. No function holds Python's lock.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar, cast, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numba.core.types import Type

_Function = TypeVar("_Function", bound=Callable[..., object])
_Item = TypeVar("_Item", bound=np.generic)


class _Layout(NamedTuple):
    dimensions: int
    read_only: bool


Array1 = Annotated[npt.NDArray[_Item], _Layout(1, read_only=False)]
Array2 = Annotated[npt.NDArray[_Item], _Layout(2, read_only=False)]
Array3 = Annotated[npt.NDArray[_Item], _Layout(3, read_only=False)]
Input1 = Annotated[npt.NDArray[_Item], _Layout(1, read_only=True)]
Input2 = Annotated[npt.NDArray[_Item], _Layout(2, read_only=True)]

_announced: list[bool] = []


def read_only(array: npt.NDArray[_Item]) -> npt.NDArray[_Item]:
    """A C-contiguous view (or copy) of an array that cannot be written to."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def compiled(function: _Function) -> _Function:
    """Compile a function for the types of its annotations, at once."""
    import numba

    hints = get_type_hints(function, include_extras=True)
    result = _numba_type(hints.pop("return"))
    signature = result(*map(_numba_type, hints.values()))
    try:
        dispatcher = numba.njit(signature, cache=True, nogil=True, error_model="numpy", boundscheck=False)(function)
    except RuntimeError as error:  # neither the package's folder nor the user's cache can be written
        _announce(f"at every start, because {error}; NUMBA_CACHE_DIR may name a folder that keeps them")
        dispatcher = numba.njit(signature, nogil=True, error_model="numpy", boundscheck=False)(function)
    if sum(dispatcher.stats.cache_misses.values()):
        _announce("once per machine")
    return cast(_Function, dispatcher)


def _numba_type(annotation: type) -> Type:
    """The numba type of an annotation. Raises TypeError where it has none."""
    from numba import from_dtype, types

    scalars = {type(None): types.none, int: types.int64, bool: types.boolean}
    if annotation in scalars:
        return scalars[annotation]
    if isinstance(annotation, type) and issubclass(annotation, np.generic):
        return from_dtype(np.dtype(annotation))
    if isinstance(annotation, type) and issubclass(annotation, tuple):
        return _tuple_type(annotation)
    for layout in getattr(annotation, "__metadata__", ()):
        if isinstance(layout, _Layout):
            (item,) = get_args(get_args(get_args(annotation)[0])[1])
            return types.Array(from_dtype(np.dtype(item)), layout.dimensions, "C", readonly=layout.read_only)
    raise TypeError(f"a compiled function cannot have an argument or result of type {annotation}")


def _tuple_type(named_tuple: type) -> Type:
    from numba import types

    items = [*map(_numba_type, get_type_hints(named_tuple, include_extras=True).values())]
    if len(set(items)) == 1:  # numba has a type of its own for tuples whose items are alike
        return types.NamedUniTuple(items[0], len(items), named_tuple)  # type: ignore[no-untyped-call]
    return types.NamedTuple(items, named_tuple)  # type: ignore[no-untyped-call]


def _announce(how_often: str) -> None:
    if not _announced:
        _announced.append(True)
        print(f"grace-rtc: compiling the codec's inner loops (10-30 s), {how_often}", file=sys.stderr, flush=True)
