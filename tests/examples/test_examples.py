"""Each program of examples/ runs as a process of its own, from a folder of its own, and prints its result."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"

PRINTS = {
    "aiortc_call": r"(received 320x240, pts \d+\n){5}sent \d+ frames in \d+ packets\n",
    "lab_run": r"scheme .*\ngrace-lite .*\nx264 .*\n",
    "own_controller": r".*:LossAimd +\d.* bit/s.*\ngcc +\d.* bit/s.*\n",
    "lossy_clip": r"frame 0: (\d+) of \1 packets .*\n(frame \d: \d+ of \d+ packets arrived, SSIM .* dB\n){5}",
    "link_emulation": r"2500 sent, \d+ delivered; delay P50 \d+ ms, P98 \d+ ms\n",
}


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize(("name", "output"), PRINTS.items(), ids=list(PRINTS))
def test_example_runs_and_prints_its_result(name: str, output: str, tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(output, done.stdout), done.stdout
