"""How long packets wait on the way, beyond the shortest wait seen. Knows neither rates nor losses.

One-way delays are the receiver's clock less ours: only their differences mean anything, and only for a minute or so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from grace_transport.congestion.history import PacketResult

BUCKET_US, BUCKETS = 5_000_000, 12  # extremes over a minute: longer, and the clocks have drifted apart


class QueueDelay:
    """Feed the results of every report."""

    def __init__(self) -> None:
        self._extremes: deque[list[int]] = deque(maxlen=BUCKETS)  # [lowest, highest] delay
        self._bucket = 0
        self._newest_us = 0

    @property
    def known(self) -> bool:
        """Something has arrived."""
        return bool(self._extremes)

    @property
    def base_us(self) -> int:
        """The lowest delay of the last minute."""
        return min((low for low, _ in self._extremes), default=0)

    @property
    def peak_us(self) -> int:
        """The longest wait of the last minute."""
        return max((high for _, high in self._extremes), default=0) - self.base_us

    @property
    def recent_peak_us(self) -> int:
        """The longest wait of the last 5 to 10 seconds."""
        return max((high for _, high in list(self._extremes)[-2:]), default=0) - self.base_us

    @property
    def shortest_us(self) -> int:
        """The shortest wait in the last report: what stands in the queue all the time."""
        return self._newest_us - self.base_us if self._extremes else 0

    def on_results(self, results: Iterable[PacketResult]) -> None:
        shortest: int | None = None
        for r in results:
            if r.arrived_us is not None:
                delay_us = r.arrived_us - r.sent_us
                self._note(delay_us, r.sent_us)
                shortest = delay_us if shortest is None else min(shortest, delay_us)
        if shortest is not None:
            self._newest_us = shortest

    def _note(self, delay_us: int, sent_us: int) -> None:
        bucket = sent_us // BUCKET_US
        if not self._extremes or bucket > self._bucket:
            self._bucket = bucket
            self._extremes.append([delay_us, delay_us])
        extremes = self._extremes[-1]
        extremes[0] = min(extremes[0], delay_us)
        extremes[1] = max(extremes[1], delay_us)
