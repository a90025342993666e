"""What computing costs in the lab: given in milliseconds, or measured while the lab runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ComputeCost:
    """Virtual microseconds that one encode, decode or replay takes. None: as long as it really took.

    Measured costs make a run depend on the machine: the log is then no longer byte-identical from run to run."""

    encode_us: int | None = 10_000
    decode_us: int | None = 5_000
    replay_us: int | None = 1_000


def run_timed(work: Callable[[], T], cost_us: int | None) -> tuple[T, int]:
    """The result of `work`, and what it costs in virtual time."""
    started = time.perf_counter_ns()
    result = work()
    taken_us = (time.perf_counter_ns() - started) // 1000
    return result, taken_us if cost_us is None else cost_us
