"""The codec's inner loops in C, as a shared library that the package's build compiles (docs/architecture.md).

Owns finding the library for this processor and passing arrays to it; refuses to know codecs. A call holds no Python
lock. Arrays must be C-contiguous and of the type that the C source says: nothing is checked there.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grace_codec.errors import BackendError

FOLDER = Path(__file__).parent
Argument = npt.NDArray[np.generic] | int | float | None


@cache
def _library() -> ctypes.CDLL:
    """The library built for this processor: with AVX2 and FMA where it has them, else for any. Raises BackendError."""
    names = [f"kernels-{level}.so" for level in _levels()]
    for name in names:
        if (FOLDER / name).exists():
            return ctypes.CDLL(str(FOLDER / name))
    raise BackendError(f"none of {', '.join(names)} is in {FOLDER}: install the package again (make setup, or pip)")


def _levels() -> list[str]:
    """What this processor can run, the fastest first (`build.levels`)."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return ["generic"]
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
    except OSError:
        flags = []
    return ["x86-64-v3", "generic"] if {"avx2", "fma", "bmi2", "f16c"} <= set(flags) else ["generic"]


def call(name: str, *arguments: Argument) -> int:
    """Run a function of the library. Integers are passed as 64 bits, floats as 32 bits, arrays by address."""
    return int(_function(name)(*map(_passed, arguments)))


@cache
def _function(name: str) -> Callable[..., int]:
    function: ctypes._NamedFuncPointer = getattr(_library(), f"grace_{name}")
    function.restype = ctypes.c_int64
    return function


def _passed(argument: Argument) -> object:
    if argument is None:
        return None
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    return ctypes.c_int64(argument) if isinstance(argument, int) else ctypes.c_float(argument)
