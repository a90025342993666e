"""Was a packet lost to a full queue, or just lost? Knows delays around a loss; decides no rate.

A queue that overflows is full: packets next to the lost one arrive late. On a lossy link they arrive as always. This
is the idea of the "spike" scheme (Cen, Cosman, Voelker, "End-to-end differentiation of congestion and wireless losses",
ToN 2003), with an absolute ceiling: GRACE keeps working at 50 % random loss, so such loss must not starve it. A policer
that drops without queueing looks like a lossy link; the growth limit of 1.5 times what arrives bounds the harm.
"""

from __future__ import annotations

from collections.abc import Sequence

from grace_transport.congestion.gcc.queue_delay import QueueDelay
from grace_transport.congestion.history import PacketResult

PEAK_SHARE = 0.5  # of the longest wait seen lately is "late"...
MIN_LATE_US, MAX_LATE_US = 15_000, 50_000  # ...within these: below is jitter, above is queueing whatever was before
SMOOTHING_BYTES = 100_000  # the loss ratio is an average over about so much


class LossCause:
    """Feed every report's results, after `delay` has seen them."""

    def __init__(self, delay: QueueDelay) -> None:
        self._delay = delay
        self._delay_us: int | None = None  # of the last packet known to have arrived
        self._random_loss = 0.0

    @property
    def random_loss(self) -> float:
        """Share of bytes that are lost without a queue being full, smoothed."""
        return self._random_loss

    def forgiven(self, results: Sequence[PacketResult]) -> frozenset[int]:
        """Sequence numbers of the lost packets that met no full queue; none before anything has arrived."""
        forgiven: frozenset[int] = frozenset()
        if self._delay.known:
            late_us = min(max(int(PEAK_SHARE * self._delay.recent_peak_us), MIN_LATE_US), MAX_LATE_US)
            forgiven = frozenset(self._random_losses(results, self._delay.base_us + late_us))
        self._average(results, forgiven)
        return forgiven

    def _random_losses(self, results: Sequence[PacketResult], late_us: int) -> list[int]:
        """A loss is random if neither the packet that arrived before it nor the one after it was late."""
        random: list[int] = []
        run: list[int] = []  # losses since the last arrival
        for r in results:
            if r.arrived_us is None:
                run.append(r.seq)
                continue
            delay_us = r.arrived_us - r.sent_us
            if delay_us < late_us and (self._delay_us is None or self._delay_us < late_us):
                random += run
            run = []
            self._delay_us = delay_us
        if self._delay_us is not None and self._delay_us < late_us:
            random += run  # the report ends with losses: what came before them has to do
        return random

    def _average(self, results: Sequence[PacketResult], forgiven: frozenset[int]) -> None:
        size_bytes = sum(r.size_bytes for r in results if not r.was_lost)
        if size_bytes:
            lost_bytes = sum(r.size_bytes for r in results if r.seq in forgiven)
            weight = size_bytes / (size_bytes + SMOOTHING_BYTES)
            self._random_loss += weight * (lost_bytes / size_bytes - self._random_loss)
