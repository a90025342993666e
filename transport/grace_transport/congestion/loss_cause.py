"""Was a packet lost to a full queue, or just lost? Knows delays around a loss; decides no rate.

A queue that overflows is full: packets next to the lost one arrive late. On a lossy link they arrive as always. This
is the idea of the "spike" scheme (Cen, Cosman, Voelker, "End-to-end differentiation of congestion and wireless losses",
ToN 2003), with an absolute ceiling: GRACE keeps working at 50 % random loss, so such loss must not starve it. A policer
that drops without queueing looks like a lossy link; the growth limit of 1.5 times what arrives bounds the harm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from grace_transport.congestion.history import PacketResult

PEAK_SHARE = 0.5  # of the highest queueing delay seen lately is "late"...
MIN_LATE_US, MAX_LATE_US = 15_000, 50_000  # ...within these: below is jitter, above is queueing whatever was before
BUCKET_US, BUCKETS = 5_000_000, 12  # extremes of delay over a minute: longer, and clocks have drifted apart
SMOOTHING_BYTES = 100_000  # the loss ratio is an average over about so much


class LossCause:
    """Feed every report's results; asks nothing of their order but sequence numbers."""

    def __init__(self) -> None:
        self._extremes: deque[list[int]] = deque(maxlen=BUCKETS)  # [lowest, highest] delay, receiver's less our clock
        self._bucket = 0
        self._delay_us: int | None = None  # of the last packet known to have arrived
        self._random_loss = 0.0

    @property
    def random_loss(self) -> float:
        """Share of bytes that are lost without a queue being full, smoothed."""
        return self._random_loss

    def forgiven(self, results: Sequence[PacketResult]) -> frozenset[int]:
        """Sequence numbers of the lost packets that met no full queue."""
        for r in results:
            if r.arrived_us is not None:
                self._note_delay(r.arrived_us - r.sent_us, r.sent_us)
        late_us = self._late_us()
        forgiven = frozenset() if late_us is None else frozenset(self._random_losses(results, late_us))
        self._average(results, forgiven)
        return forgiven

    def _note_delay(self, delay_us: int, sent_us: int) -> None:
        bucket = sent_us // BUCKET_US
        if not self._extremes or bucket > self._bucket:
            self._bucket = bucket
            self._extremes.append([delay_us, delay_us])
        extremes = self._extremes[-1]
        extremes[0] = min(extremes[0], delay_us)
        extremes[1] = max(extremes[1], delay_us)

    def _late_us(self) -> int | None:
        """The delay from which on a queue counts as full; None before anything has arrived."""
        if not self._extremes:
            return None
        lowest_us = min(low for low, _ in self._extremes)
        peak_us = max(high for _, high in self._extremes) - lowest_us
        return lowest_us + min(max(int(PEAK_SHARE * peak_us), MIN_LATE_US), MAX_LATE_US)

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
