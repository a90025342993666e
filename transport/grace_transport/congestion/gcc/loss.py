"""Loss control of the first kind: fixed thresholds on the reported loss. Knows no delay.

Dialect: libwebrtc's `send_side_bandwidth_estimation.cc` (draft-ietf-rmcat-gcc-02 section 6, with 8 % instead of 5 %).
Above 10 % of loss it halves its way down whatever the cause: a loss-tolerant codec on a lossy link is starved.
"""

from __future__ import annotations

from collections import deque

LOW_LOSS, HIGH_LOSS = 0.02, 0.10
MIN_PACKETS = 20  # per decision (kLimitNumPackets)
INCREASE = 1.08
INCREASE_BPS = 1_000  # so that a low rate does not get stuck
INCREASE_WINDOW_US = 1_000_000  # the increase starts from the lowest rate of this long
DECREASE_INTERVAL_US = 300_000  # plus the round trip
REPORT_LIFE_US = 6_000_000  # 1.2 times the longest RTCP interval of 5 s


class LossV1:
    """Thresholds 2 % and 10 %; rates are proposals, the caller clamps them."""

    def __init__(self) -> None:
        self.fraction_q8 = 0  # lost share of the last decision's packets, in 1/256 as in RTCP
        self._lost = self._expected = 0  # since the last decision
        self._decided_us: int | None = None
        self._answered = True  # the last decision has already led to a decrease
        self.decreased_us: int | None = None  # shared with the round-trip back-off, as in the source
        self._lows: deque[tuple[int, int]] = deque()  # (since, rate): rising minima of the last second

    def on_report(self, lost: int, expected: int, now_us: int) -> bool:
        """Packets of one report; True if there are now enough for a decision."""
        if expected <= 0:
            return False
        self._lost += lost
        self._expected += expected
        if self._expected < MIN_PACKETS:
            return False
        self.fraction_q8 = min(max(self._lost, 0) * 256 // self._expected, 255)
        self._lost = self._expected = 0
        self._decided_us = now_us
        self._answered = False
        return True

    def clear_history(self) -> None:
        """The rate was set from outside: do not hold it to what was before."""
        self._lows.clear()

    def remember(self, rate_bps: int, now_us: int) -> None:
        """The rate in force now, for the minimum over the last second."""
        # One millisecond of grace, as in the source: timers of exactly a second would just miss.
        while self._lows and now_us - self._lows[0][0] + 1_000 > INCREASE_WINDOW_US:
            self._lows.popleft()
        while self._lows and rate_bps <= self._lows[-1][1]:
            self._lows.pop()
        self._lows.append((now_us, rate_bps))

    def propose(self, rate_bps: int, rtt_us: int, now_us: int) -> int | None:
        """A new rate, or None to keep the present one. Call `remember` first."""
        if self._decided_us is None or now_us - self._decided_us >= REPORT_LIFE_US:
            return None
        loss = self.fraction_q8 / 256
        if loss <= LOW_LOSS:
            return int(self._lows[0][1] * INCREASE + 0.5) + INCREASE_BPS
        if loss > HIGH_LOSS and not self._answered and self._may_decrease(rtt_us, now_us):
            self._answered = True
            self.decreased_us = now_us
            return int(rate_bps * (512 - self.fraction_q8) / 512)
        return None

    def _may_decrease(self, rtt_us: int, now_us: int) -> bool:
        return self.decreased_us is None or now_us - self.decreased_us >= DECREASE_INTERVAL_US + rtt_us
