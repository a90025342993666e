"""The computing time of codecs in virtual time: one value for all frames, one per frame, or measured as it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ComputeCost:
    """Virtual microseconds that one encode, decode or replay takes; None: as long as it really took.

    With measured times a run depends on the machine, and its log is no longer byte-identical from run to run.
    `encoded_us`, `decoded_us`: frame_id -> the time of this frame with its replays, as a live call logged it."""

    encode_us: int | None = 10_000
    decode_us: int | None = 5_000
    replay_us: int | None = 1_000
    encoded_us: Mapping[int, int] = field(default_factory=dict)
    decoded_us: Mapping[int, int] = field(default_factory=dict)

    def of_encoding(self, frame_id: int, replays: int) -> int | None:
        """Microseconds for this frame after `replays` replays; None: measure it."""
        return self.encoded_us.get(frame_id, self._with_replays(self.encode_us, replays))

    def of_decoding(self, frame_id: int, replays: int) -> int | None:
        """Microseconds for this frame after `replays` replays; None: measure it."""
        return self.decoded_us.get(frame_id, self._with_replays(self.decode_us, replays))

    def _with_replays(self, cost_us: int | None, replays: int) -> int | None:
        return None if cost_us is None or self.replay_us is None else cost_us + self.replay_us * replays


def run_timed(work: Callable[[], T], cost_us: int | None) -> tuple[T, int]:
    """The result of `work` and the virtual microseconds that it takes: `cost_us`, or as measured if that is None."""
    started = time.perf_counter_ns()
    result = work()
    taken_us = (time.perf_counter_ns() - started) // 1000
    return result, taken_us if cost_us is None else cost_us
