"""Laws of an installation without extras: transport, netsim and the light commands do without the heavy packages."""

import subprocess
import sys

import pytest

WITHOUT_EXTRAS = """
import importlib, importlib.abc, pkgutil, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "cv2", "av", "openvino", "constriction", "safetensors", "aiortc",
                                      "aiohttp", "numba", "jinja2", "plotly", "lightning_fabric", "pygame"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
EVERY_MODULE = """
for package in ("grace_transport", "grace_netsim", "grace_sender", "grace_receiver", "grace_lab"):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name not in ("aiortc", "aiohttp"):  # a live call cannot do without the extra `rtc`
                raise
"""
COMMAND = """
from grace_rtc.cli import main
main()
"""


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_EXTRAS + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_modules_need_at_most_the_extra_of_live_calls() -> None:
    done = python(EVERY_MODULE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line", ["--help", "--version", "trace info lte-1", "bench link --packets 1000", "lab schemes"]
)
def test_light_commands_work(line: str) -> None:
    done = python(COMMAND, *line.split())
    assert done.returncode == 0, done.stderr


def test_command_that_needs_an_extra_names_it() -> None:
    done = python(COMMAND, "trace", "plot", "lte-1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "grace-rtc[lab]" in done.stderr
