"""When to probe for more bandwidth, and how hard. Sends nothing; knows no packets.

Dialect: libwebrtc's `probe_controller.cc`, without network state estimates and repeated initial probes. Additions:
periodic probes not only in ALR but whenever the estimate is held down by what is sent (libwebrtc and str0m pad then);
and no probe for what a probe had promised and the next moment disproved.
"""

from __future__ import annotations

from enum import Enum

from grace_transport.types import ProbeCluster

FIRST_SCALES = (3.0, 6.0)  # of the start rate
FURTHER_SCALE, FURTHER_THRESHOLD = 2.0, 0.7  # go on at twice a result that is more than .7 of what was tried
RESULT_TIMEOUT_US = 1_000_000  # kMaxWaitingTimeForProbingResult
ALLOCATION_SCALES = (1.0, 2.0)  # of a new, higher demand
ALLOCATION_LIMIT = 2.0  # of the estimate
MAX_ALLOCATED = 2.0  # of the demand is as far as probing pays
DEFAULT_MAX_BPS = 5_000_000  # kDefaultMaxProbingBitrate
ALR_SCALE, ALR_INTERVAL_US = 2.0, 5_000_000
LOSS_LIMITED_SCALE = 1.5
MIN_DURATION_US, MAX_DURATION_US, JITTERS = 15_000, 100_000, 4  # a probe shorter than the jitter measures the jitter
DROP, DROP_TIMEOUT_US = 0.66, 5_000_000  # an estimate that fell below this share of the last one, so recently
TRIED_US = 1_000_000  # an estimate that jumped up by as much so recently was not tried yet: its fall is its correction
AFTER_DROP, UNCERTAINTY = 0.85, 0.05  # of the rate before it: worth a probe if it would still be news
ALR_ENDED_US = 3_000_000
DROP_PROBE_INTERVAL_US = 5_000_000


class ProbePermit(Enum):
    """What else limits the rate now decides what probing is good for (libwebrtc BandwidthLimitedCause)."""

    FREE = "free"
    CAUTIOUS = "recovering from loss: no more than 1.5 times the estimate"
    FORBIDDEN = "over-used, losing, or round trip absurd: a probe would make it worse"


class _State(Enum):
    INIT = "init"
    WAITING = "waiting for a result that may lead to a further probe"
    COMPLETE = "complete"


class ProbeController:
    """Call `start` once; feed estimates, ALR and time; take what `take` gives.

    `max_bps` None: no limit is known, and initial probing stops at 5 Mbps as in libwebrtc."""

    def __init__(self, start_bps: int, max_bps: int | None) -> None:
        self._start_bps = start_bps
        self._max_bps = DEFAULT_MAX_BPS if max_bps is None else max_bps
        self._allocated_bps = 0  # what the application could use; 0: unknown
        self._state = _State.INIT
        self._permit = ProbePermit.FREE
        self._estimate_bps = 0
        self._further_bps = float("inf")  # a result above this is worth a further probe
        self._probed_us = 0
        self._alr_started_us: int | None = None
        self._alr_ended_us: int | None = None
        self._held_us: int | None = None
        self._drop: tuple[int, int] | None = None  # (when, rate before)
        self._jumped_us: int | None = None
        self._drop_probed_us: int | None = None
        self._next_id = 1
        self._duration_us = MIN_DURATION_US
        self._pending: list[ProbeCluster] = []

    @property
    def idle(self) -> bool:
        """Nothing to take."""
        return not self._pending

    def take(self) -> list[ProbeCluster]:
        """The clusters to send now; each once."""
        pending, self._pending = self._pending, []
        return pending

    def start(self, now_us: int) -> None:
        """The network can be used: three and six times the start rate."""
        if self._state is _State.INIT:
            self._estimate_bps = self._start_bps
            self._probe([scale * self._start_bps for scale in FIRST_SCALES], True, now_us)

    def on_estimate(self, rate_bps: int, permit: ProbePermit, now_us: int) -> None:
        """The target changed, or was confirmed."""
        self._permit = permit
        if self._estimate_bps < DROP * rate_bps:
            self._jumped_us = now_us
        untried = self._jumped_us is not None and now_us - self._jumped_us < TRIED_US
        if rate_bps < DROP * self._estimate_bps and not untried:
            self._drop = now_us, self._estimate_bps
        self._estimate_bps = rate_bps
        if self._state is _State.WAITING and rate_bps > self._further_bps:
            self._probe([FURTHER_SCALE * rate_bps], True, now_us)

    def on_jitter(self, jitter_us: int) -> None:
        """Probes last four times this long, 15 to 100 ms (libwebrtc: 15 ms, and 100 ms for repeated initial ones)."""
        self._duration_us = min(max(JITTERS * jitter_us, MIN_DURATION_US), MAX_DURATION_US)

    def on_alr(self, started_us: int | None, now_us: int) -> None:
        """`started_us`: since when the application limits the rate; None while it does not."""
        if self._alr_started_us is not None and started_us is None:
            self._alr_ended_us = now_us
        self._alr_started_us = started_us

    def on_held(self, held: bool, now_us: int) -> None:
        """`held`: the estimate cannot grow because too little is sent to prove more, ALR or not."""
        if not held:
            self._held_us = None
        elif self._held_us is None:
            self._held_us = now_us

    def on_allocation(self, wanted_bps: int, now_us: int) -> None:
        """The application could use `wanted_bps`. A change is probed for if the rate is not used now."""
        changed = wanted_bps != self._allocated_bps
        self._allocated_bps = wanted_bps
        in_alr = self._alr_started_us is not None
        useful = self._estimate_bps < min(self._max_bps, wanted_bps)
        if changed and in_alr and useful and self._state is _State.COMPLETE:
            self._probe_allocation(now_us)

    def on_recovered(self, now_us: int) -> None:
        """An over-used bottleneck has drained: after a large drop while (nearly) application-limited, look again.

        If that fails the drop was real."""
        free = self._state is _State.COMPLETE and self._permit is ProbePermit.FREE
        if not free or self._drop is None or not self._alr_is_recent(now_us):
            return
        dropped_us, before_bps = self._drop
        rate_bps = AFTER_DROP * before_bps
        is_news = (1 - UNCERTAINTY) * rate_bps > self._estimate_bps
        is_fresh = now_us - dropped_us < DROP_TIMEOUT_US
        is_first = self._drop_probed_us is None or now_us - self._drop_probed_us > DROP_PROBE_INTERVAL_US
        if is_news and is_fresh and is_first:
            self._drop_probed_us = now_us
            self._probe([rate_bps], False, now_us)

    def handle_timer(self, now_us: int) -> None:
        """Time outs, and periodic probes while the application does not fill the rate."""
        if self._state is _State.WAITING and now_us - self._probed_us > RESULT_TIMEOUT_US:
            self._complete()
        since_us = self._alr_started_us if self._alr_started_us is not None else self._held_us
        if self._state is _State.COMPLETE and since_us is not None:
            due_us = max(since_us, self._probed_us) + ALR_INTERVAL_US
            if now_us >= due_us and self._estimate_bps < self._limit_bps():
                self._probe([ALR_SCALE * self._estimate_bps], True, now_us)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _alr_is_recent(self, now_us: int) -> bool:
        ended_us = self._alr_ended_us
        return self._alr_started_us is not None or (ended_us is not None and now_us - ended_us < ALR_ENDED_US)

    def _probe_allocation(self, now_us: int) -> None:
        limit_bps = ALLOCATION_LIMIT * self._estimate_bps
        wanted = [scale * self._allocated_bps for scale in ALLOCATION_SCALES]
        rates = sorted({min(rate_bps, limit_bps) for rate_bps in wanted})
        self._probe(rates, limit_bps < wanted[-1], now_us)

    def _limit_bps(self) -> float:
        if not self._allocated_bps:
            return self._max_bps
        return min(self._max_bps, MAX_ALLOCATED * self._allocated_bps)

    def _probe(self, rates_bps: list[float], further: bool, now_us: int) -> None:
        limit_bps = self._limit_bps()
        if self._permit is ProbePermit.FORBIDDEN:
            return
        if self._permit is ProbePermit.CAUTIOUS:
            limit_bps = min(limit_bps, LOSS_LIMITED_SCALE * self._estimate_bps)
        capped = [min(rate_bps, limit_bps) for rate_bps in rates_bps]
        for rate_bps in dict.fromkeys(capped):  # two clusters at the limit would measure the same
            self._pending.append(ProbeCluster(self._next_id, int(rate_bps), min_duration_us=self._duration_us))
            self._next_id += 1
        self._probed_us = now_us
        if further and rates_bps[-1] < limit_bps:
            self._state = _State.WAITING
            self._further_bps = FURTHER_THRESHOLD * capped[-1]
        else:
            self._complete()

    def _complete(self) -> None:
        self._state = _State.COMPLETE
        self._further_bps = float("inf")
