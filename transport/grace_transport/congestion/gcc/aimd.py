"""The delay-based rate: additive or multiplicative increase, multiplicative decrease. Knows usage, not delay.

Dialect: libwebrtc's `aimd_rate_control.cc` of 2025 (a decrease goes to .85 acked - 5 kbps).
"""

from __future__ import annotations

from enum import Enum
from math import ceil

from grace_transport.congestion.gcc.link_capacity import LinkCapacity
from grace_transport.congestion.gcc.overuse import Usage
from grace_transport.congestion.rtt import DEFAULT_RTT_US

MIN_BPS = 5_000  # kCongestionControllerMinBitrate
BACKOFF = 0.85  # kDefaultBackoffFactor
SUBTRACT_BPS = 5_000  # further backoff, so that queues drain at low rates too (newer libwebrtc)
INCREASE_PER_S = 1.08
MIN_INCREASE_BPS = 1_000
MIN_NEAR_MAX_BPS_PER_S = 4_000
INITIALISATION_US = 5_000_000  # without a start rate: the throughput after so long is the first estimate
FRAME_RATE, PACKET_BYTES = 30, 1_200  # libwebrtc's idea of video, for the additive increase
UNKNOWN_BPS = 30_000_000  # throughput before it is measured: no limit (libwebrtc's initial maximum)
REACTION_US = 100_000  # of the over-use detector, added to the round trip


class RateState(Enum):
    """draft-ietf-rmcat-gcc-02, section 5."""

    HOLD = "hold"
    INCREASE = "increase"
    DECREASE = "decrease"


NEXT_STATE = {
    (RateState.HOLD, Usage.OVERUSE): RateState.DECREASE,
    (RateState.HOLD, Usage.NORMAL): RateState.INCREASE,
    (RateState.HOLD, Usage.UNDERUSE): RateState.HOLD,
    (RateState.INCREASE, Usage.OVERUSE): RateState.DECREASE,
    (RateState.INCREASE, Usage.NORMAL): RateState.INCREASE,
    (RateState.INCREASE, Usage.UNDERUSE): RateState.HOLD,
    (RateState.DECREASE, Usage.OVERUSE): RateState.DECREASE,
    (RateState.DECREASE, Usage.NORMAL): RateState.HOLD,
    (RateState.DECREASE, Usage.UNDERUSE): RateState.HOLD,
}


class Aimd:
    """Rate control on usage and acknowledged throughput, in bits per second.

    `no_increase_in_alr`: an application that does not fill the rate proves nothing (a libwebrtc field trial).
    `subtract_bps`: 0 for libwebrtc of 2020 and str0m."""

    def __init__(
        self, start_bps: float | None = None, *, no_increase_in_alr: bool = False, subtract_bps: int = SUBTRACT_BPS
    ) -> None:
        self._rate_bps: float | None = None if start_bps is None else max(start_bps, MIN_BPS)
        self._throughput_bps: float = start_bps or UNKNOWN_BPS  # the last one known
        self._no_increase_in_alr = no_increase_in_alr
        self._subtract_bps = subtract_bps
        self._state = RateState.HOLD
        self._capacity = LinkCapacity()
        self._first_throughput_us: int | None = None
        self._changed_us: int | None = None
        self.rtt_us = DEFAULT_RTT_US
        self.in_alr = False

    @property
    def rate_bps(self) -> int | None:
        """None until a start rate, a probe, overuse or five seconds of throughput give one."""
        return None if self._rate_bps is None else int(self._rate_bps)

    @property
    def is_held(self) -> bool:
        """The rate stands as far above the throughput as it may: only more traffic could prove more."""
        return self._rate_bps is not None and self._rate_bps >= self._limit_bps()

    def forget_capacity(self) -> None:
        """Increase multiplicatively again: what was believed of the link's capacity is out of date."""
        self._capacity.reset()

    def set_estimate(self, rate_bps: float, now_us: int) -> None:
        """A probe knows better."""
        self._rate_bps = max(rate_bps, MIN_BPS)
        self._changed_us = now_us

    def may_reduce(self, throughput_bps: float, now_us: int) -> bool:
        """Once per round trip (10-200 ms), or at once if less than half of the rate arrives."""
        if self._changed_us is None or now_us - self._changed_us >= min(max(self.rtt_us, 10_000), 200_000):
            return True
        return self._rate_bps is not None and throughput_bps < 0.5 * self._rate_bps

    def may_reduce_blindly(self, now_us: int) -> bool:
        """The same before any throughput is known: only by time."""
        return self._rate_bps is not None and self.may_reduce(self._rate_bps / 2, now_us)

    def near_max_increase_bps_per_s(self) -> float:
        """About half a packet per response time: how fast to creep up when the capacity is nearly known."""
        frame_bits = (self._rate_bps or 0.0) / FRAME_RATE
        packets = max(ceil(frame_bits / (PACKET_BYTES * 8)), 1)
        response_s = 2 * (self.rtt_us + REACTION_US) / 1_000_000
        return max(frame_bits / packets / response_s, MIN_NEAR_MAX_BPS_PER_S)

    def update(self, usage: Usage, throughput_bps: float | None, now_us: int) -> int | None:
        """`throughput_bps`: acknowledged rate, None if not known. Returns `rate_bps`."""
        self._initialise(throughput_bps, now_us)
        if throughput_bps is not None:
            self._throughput_bps = throughput_bps
        # Overuse lowers the rate even before there is an estimate.
        if self._rate_bps is None and usage is not Usage.OVERUSE:
            return None
        state = NEXT_STATE[self._state, usage]
        if self._state is RateState.HOLD and state is RateState.INCREASE:
            self._changed_us = now_us  # time spent in hold is no time of growth
        self._state = state
        if state is RateState.INCREASE:
            self._increase(now_us)
        elif state is RateState.DECREASE:
            self._decrease(now_us)
        return self.rate_bps

    def _initialise(self, throughput_bps: float | None, now_us: int) -> None:
        if self._rate_bps is not None or throughput_bps is None:
            return
        if self._first_throughput_us is None:
            self._first_throughput_us = now_us
        elif now_us - self._first_throughput_us > INITIALISATION_US:
            self._rate_bps = max(throughput_bps, MIN_BPS)

    def _increase(self, now_us: int) -> None:
        rate_bps = self._rate_bps or 0.0
        if self._throughput_bps > self._capacity.upper_bps:
            self._capacity.reset()
        limit_bps = self._limit_bps()
        if rate_bps < limit_bps and not (self.in_alr and self._no_increase_in_alr):
            self._rate_bps = max(min(rate_bps + self._step_bps(rate_bps, now_us), limit_bps), MIN_BPS)
        self._changed_us = now_us

    def _limit_bps(self) -> float:
        """Never far beyond what is proven."""
        return 1.5 * self._throughput_bps + 10_000

    def _step_bps(self, rate_bps: float, now_us: int) -> float:
        elapsed_s = 1.0 if self._changed_us is None else max(now_us - self._changed_us, 0) / 1_000_000
        if self._capacity.known:
            return self.near_max_increase_bps_per_s() * elapsed_s
        growth: float = INCREASE_PER_S ** min(elapsed_s, 1.0)
        return max(rate_bps * (growth - 1), MIN_INCREASE_BPS)

    def _decrease(self, now_us: int) -> None:
        throughput_bps = self._throughput_bps
        lowered_bps = BACKOFF * throughput_bps
        if lowered_bps > MIN_BPS:
            lowered_bps -= self._subtract_bps
        rate_bps = self._rate_bps
        if rate_bps is not None and lowered_bps > rate_bps and self._capacity.known:
            lowered_bps = BACKOFF * self._capacity.estimate_bps
        if rate_bps is None or lowered_bps < rate_bps:  # overuse never raises
            self._rate_bps = max(lowered_bps, MIN_BPS)
        if throughput_bps < self._capacity.lower_bps:
            self._capacity.reset()
        self._capacity.on_overuse(throughput_bps)
        self._state = RateState.HOLD
        self._changed_us = now_us
