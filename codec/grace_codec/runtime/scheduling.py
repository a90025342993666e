"""Keeps a native library from changing how the operating system schedules this process's threads.

libSvtAv1Enc, run as root, gives the thread that opens an encoder the real-time policy SCHED_FIFO at priority 99, and
its own worker threads with it. Threads inherit the policy of the thread that starts them, so without a remedy the
whole process would soon take precedence over everything else on the machine; containers usually run as root. libx264,
libx265, libvpx, libdav1d, OpenCV, OpenVINO, numba and torch were examined as root and change nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def unchanged_scheduling() -> Iterator[None]:
    """Restore, on leaving, the calling thread's scheduling policy and priority.

    Threads that appeared within the block under a real-time policy get the caller's former policy as well. Where the
    operating system has no policies per thread (macOS, Windows), or does not let them be restored, nothing is done.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    before = _thread_ids()
    try:
        yield
    finally:
        if (os.sched_getscheduler(0), os.sched_getparam(0)) != (policy, parameters):
            for thread in {0, *(_thread_ids() - before)}:
                with suppress(PermissionError, ProcessLookupError):
                    if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                        os.sched_setscheduler(thread, policy, parameters)


def _thread_ids() -> set[int]:
    """The kernel's numbers of this process's threads; empty where /proc is not mounted."""
    try:
        return {int(entry.name) for entry in _TASKS.iterdir()}
    except OSError:
        return set()
