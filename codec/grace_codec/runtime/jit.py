"""The inner loops of the codec, compiled by numba to machine code. Owns how they are compiled; refuses to know codecs.

Each function is compiled for the types it says, when its module is imported, and kept in numba's cache on disk: only
the first import on a machine takes seconds. Bounds are not checked: callers hand in arrays of the sizes that the
docstrings give. No function keeps Python's lock, and no result depends on how work is split among threads.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])
_announced: list[bool] = []


_READ_ONLY = re.compile(r"in (\w+)\[([:,]+)1\]")  # numba's short notation has no word for it


def _read_only(found: re.Match[str]) -> str:
    return f"Array({found[1]}, {found[2].count(',') + 1}, 'C', readonly=True)"


def compiled(signature: str, exact_floats: bool = False) -> Callable[[_Function], _Function]:
    """Compile a function for one signature of numba's types, at once; `in` before an array: it is only read.

    exact_floats: its floats hold multiples of one power of two, few enough of them to be exact, so that sums may be
    taken in any order without changing a bit."""

    def compile_now(function: _Function) -> _Function:
        import numba

        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}
        if exact_floats:
            options["fastmath"] = {"reassoc", "contract", "nsz"}
        types = _READ_ONLY.sub(_read_only, signature)
        try:
            dispatcher: Any = numba.njit(types, cache=True, **options)(function)
        except RuntimeError as error:  # neither the package's folder nor the user's cache can be written
            _announce(f"at every start, because {error}; NUMBA_CACHE_DIR may name a folder that keeps them")
            dispatcher = numba.njit(types, **options)(function)
        if sum(dispatcher.stats.cache_misses.values()):
            _announce("once per machine")
        return cast(_Function, dispatcher)

    return compile_now


def _announce(how_often: str) -> None:
    if not _announced:
        _announced.append(True)
        print(f"grace-rtc: compiling the codec's inner loops (10-30 s), {how_often}", file=sys.stderr, flush=True)
