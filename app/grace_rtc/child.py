"""Runs a `grace-rtc` command in a process that cannot outlive the one that started it: python -m ... ARGUMENTS."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2), Linux


def end_with_parent(parent_pid: int) -> None:
    """Ask the kernel for a SIGTERM when the parent is gone, however it went. Elsewhere than on Linux: nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:  # it was quicker than we
            sys.exit(1)


def main() -> None:
    """First argument: the parent's process id. The rest is the command."""
    parent_pid, *sys.argv[1:] = sys.argv[1:]
    end_with_parent(int(parent_pid))
    from grace_rtc.cli import main as command

    command()


if __name__ == "__main__":
    main()
