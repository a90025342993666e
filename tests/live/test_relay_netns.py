"""The same call between three hosts that share nothing but cables: network namespaces. Where the system has them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .relay_peers import TOKEN

TOP = Path(__file__).parents[2]
SCRIPT = TOP / "netsim" / "netns.sh"
PYTHON = sys.executable


class Hosts:
    """Three namespaces with names of this test's own."""

    def __init__(self) -> None:
        number = os.getpid() % 10_000
        names = {"GRACE_NETNS_PREFIX": f"gt{number}", "GRACE_NETNS_NET": f"10.{number % 100 + 100}"}
        self.net = names["GRACE_NETNS_NET"]
        self._environment = os.environ | names | {"GRACE_TOKEN": TOKEN}
        self._started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *arguments], env=self._environment, cwd=TOP, capture_output=True, text=True, check=False
        )

    def start(self, host: str, *command: str) -> str:
        """A process that goes on; its first line."""
        arguments = [str(SCRIPT), "exec", host, PYTHON, *command]
        process = subprocess.Popen(arguments, env=self._environment, cwd=TOP, stdout=subprocess.PIPE, text=True)
        self._started.append(process)
        assert process.stdout is not None
        line: str = process.stdout.readline()
        return line

    def close(self) -> None:
        self.run("down")
        for process in self._started:
            process.communicate(timeout=300)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux and root: sudo pytest tests/live/test_relay_netns.py")
    hosts = Hosts()
    made = hosts.run("up")
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    yield hosts
    hosts.close()


def test_hosts_that_cannot_reach_each_other_call_through_netsim(hosts: Hosts) -> None:
    near, far = f"{hosts.net}.1.1:8080", f"{hosts.net}.2.2"
    peer = ("-m", "tests.live.relay_process")
    netsim = ("-c", "from grace_rtc.cli import main; main()", "netsim", "--listen", near, "--owd-ms", "5")
    assert hosts.start("receiver", *peer, "receiver", far, "8081") == "ready\n"
    assert hosts.start("netsim", *netsim, "--forward", f"http://{far}:8081").startswith("netsim ready at")
    past = hosts.run("exec", "sender", PYTHON, *peer, "sender", f"http://{far}:8081")
    assert past.returncode != 0
    assert "cannot be reached" in past.stderr
    through = hosts.run("exec", "sender", PYTHON, *peer, "sender", f"http://{near}")
    assert (through.returncode, through.stdout) == (0, "hello!\n"), through.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"), [([], "say up, exec"), (["fly"], "no such command"), (["exec", "moon", "ls"], "no host")]
)
def test_mistakes_of_the_script_are_one_line(arguments: list[str], hint: str) -> None:
    done = subprocess.run(["sh", SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1
