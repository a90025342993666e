"""Laws of child processes: they all end with their block, and a failure shows what they printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grace_rtc.demo.processes import ChildProcess, Processes, running_processes
from grace_rtc.errors import DemoError


def eventually(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """No such process, or a dead one that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Children run this script's lines instead of `grace-rtc`."""
    script = tmp_path / "fake-python"
    script.write_text(f'#!/bin/sh\nshift 3\nexec "{sys.executable}" -c "$1"\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return str(script)


FOREVER = "import time; print('here', flush=True); time.sleep(600)"
DEAF = "import signal; [signal.signal(number, signal.SIG_IGN) for number in (2, 15)]; " + FOREVER


def started(members: Processes, name: str, code: str) -> ChildProcess:
    child = members.start(name, [code])
    eventually(lambda: "here" in child.tail() or child.status is not None)
    return child


@pytest.mark.usefixtures("python")
def test_children_are_gone_after_the_block_even_deaf_ones(tmp_path: Path) -> None:
    children = []

    def fail() -> None:
        with running_processes(tmp_path) as members:
            children.extend([started(members, "a", FOREVER), started(members, "b", DEAF)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [gone(child.process.pid) for child in children] == [True, True]


@pytest.mark.usefixtures("python")
def test_grandchildren_are_gone_too(tmp_path: Path) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '600']); print('here', p.pid, flush=True); p.wait()"
    with running_processes(tmp_path) as members:
        child = started(members, "a", code)
        grandchild = int(child.tail().split()[1])
    eventually(lambda: gone(grandchild))


@pytest.mark.usefixtures("python")
def test_failed_child_is_told_with_the_end_of_what_it_said(tmp_path: Path) -> None:
    with running_processes(tmp_path) as members:
        child = members.start("send", ["import sys; print('no camera'); sys.exit(3)"])
        eventually(lambda: child.status is not None)
        with pytest.raises(DemoError, match=r"(?s)send ended with status 3; it said last:\nno camera"):
            members.check()
