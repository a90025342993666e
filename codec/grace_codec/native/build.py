"""Compiles the C sources of this folder to one shared library per processor level, in place.

A hook of the package's build (pyproject.toml) and a command: `python -m grace_codec.native.build`. The compiler is that
of the environment variable CC where it is set, else the one that the PyPI package `ziglang` brings, so that no system
compiler is needed. Without Python's headers: the library is opened by ctypes.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # outside a build: the command alone
    BuildHookInterface = object

FOLDER = Path(__file__).parent
FLAGS = [
    "-std=c11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-sanitize=undefined", "-fvisibility=hidden",
    "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-Wno-psabi",
]  # fmt: skip
OLDEST_GLIBC = "2.28"  # of manylinux_2_28


def levels() -> dict[str, list[str]]:
    """Library name to the compiler flags of its processor level; `native/__init__.py` chooses among them."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return {"x86-64-v3": ["x86-64-v3"], "generic": ["x86-64"]}
    return {"generic": []}


def compile_all() -> list[Path]:
    """Build every level. Raises RuntimeError with the compiler's own words where it fails."""
    return [_compile(name, level) for name, level in levels().items()]


def is_current() -> bool:
    """Whether every library is there and newer than its sources."""
    newest = max(path.stat().st_mtime for path in FOLDER.glob("*.[ch]"))
    return all(path.exists() and path.stat().st_mtime >= newest for path in map(_path, levels()))


def _path(name: str) -> Path:
    return FOLDER / f"kernels-{name}.so"


def _compile(name: str, level: list[str]) -> Path:
    target = _path(name)
    fresh = target.with_suffix(f".{os.getpid()}.so")
    command = [*_compiler(level), *FLAGS, "-o", str(fresh), *map(str, sorted(FOLDER.glob("*.c"))), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr}")
        fresh.replace(target)  # whoever has the old one open keeps it
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _compiler(level: list[str]) -> list[str]:
    given = os.environ.get("CC")
    if given:
        return [*shlex.split(given), *(f"-march={each}" for each in level)]
    linux = ["-target", f"{platform.machine().lower()}-linux-gnu.{OLDEST_GLIBC}"]
    target = linux if sys.platform == "linux" else []
    return [sys.executable, "-m", "ziglang", "cc", *target, *(f"-mcpu={each.replace('-', '_')}" for each in level)]


class NativeBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Compiles before a wheel or an editable install is made, and tags the wheel with the platform."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        if not (version == "editable" and is_current()):
            compile_all()
        build_data["artifacts"].append("codec/grace_codec/native/*.so")
        build_data["pure_python"] = False
        if sys.platform == "linux":
            machine, glibc = platform.machine().lower(), OLDEST_GLIBC.replace(".", "_")
            build_data["tag"] = f"py3-none-manylinux_{glibc}_{machine}"
        else:
            build_data["infer_tag"] = True


if __name__ == "__main__":
    for path in compile_all():
        print(path)
