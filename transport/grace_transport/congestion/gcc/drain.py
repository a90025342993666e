"""Empties a queue that stands full. Knows how long packets wait; measures nothing.

A delay trend shows a queue that grows. One that has filled up and stays full has no trend, and a rate that settles at
what arrives (loss_v2.py) keeps it full: hundreds of milliseconds for ever. So once in a while send less until it is
empty. If that does not help, others fill it, or the path has become longer: try again later and later.
"""

from __future__ import annotations

STANDING_US = 60_000  # a queue of this much...
PATIENCE_US = 1_000_000  # ...for so long stands
EMPTY_SHARE = 0.25  # of STANDING_US counts as empty
RATE_SHARE = 0.7  # of what the bottleneck carries: the other 30 % drain it
MAX_DRAIN_US = 2_000_000
FIRST_REST_US, MAX_REST_US = 5_000_000, 80_000_000


class QueueDrain:
    """Call `on_wait` with every report; `limit` is the rate in force."""

    def __init__(self) -> None:
        self._since_us: int | None = None  # the queue stands since then
        self._until_us: int | None = None  # draining until then
        self._rest_until_us: int | None = None
        self._rest_us = FIRST_REST_US

    @property
    def draining(self) -> bool:
        return self._until_us is not None

    def on_wait(self, wait_us: int, now_us: int) -> None:
        """`wait_us`: the shortest wait of the packets in a report (QueueDelay.shortest_us)."""
        if wait_us < STANDING_US * EMPTY_SHARE:
            self._stop(now_us, FIRST_REST_US)
        elif self._until_us is not None:
            if now_us >= self._until_us:
                self._stop(now_us, min(2 * self._rest_us, MAX_REST_US))
        elif wait_us < STANDING_US:
            self._since_us = None
        elif self._since_us is None:
            self._since_us = now_us
        elif now_us - self._since_us >= PATIENCE_US and not self._rests(now_us):
            self._until_us = now_us + min(int(wait_us / (1 - RATE_SHARE)) + wait_us, MAX_DRAIN_US)

    def limit(self, rate_bps: int, carried_bps: float | None) -> int:
        """`carried_bps`: what the bottleneck carries, None if not known."""
        if self._until_us is None or carried_bps is None:
            return rate_bps
        return min(rate_bps, int(RATE_SHARE * carried_bps))

    def _rests(self, now_us: int) -> bool:
        return self._rest_until_us is not None and now_us < self._rest_until_us

    def _stop(self, now_us: int, rest_us: int) -> None:
        if self._until_us is not None:
            self._rest_until_us = now_us + rest_us
        self._rest_us = rest_us
        self._since_us = self._until_us = None
