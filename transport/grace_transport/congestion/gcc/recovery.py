"""Finds free capacity quickly and leaves a full queue quickly: what `gcc` does beyond libwebrtc (docs/congestion.md).

- The queue is empty (some packet of the last report waited less than 10 ms): the rate grows towards what the packet
  trains of the media show that the bottleneck carries (train.py). Where the media is too thin for trains, the rate
  grows blindly, and small probes ask for more; after each that finds nothing the next one waits twice as long.
- The queue stands: no more is sent than the bottleneck carries, and the less the longer packets wait, so that the
  queue drains. Where that does not help, others fill it: the attempt ends, and the next one comes later and later.
- Reports stay out: this may be an outage, after which what is sent now would stand in the queue. Little is sent.
Knows no loss, no limits and no sequence numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from grace_transport.congestion.gcc.train import MAX_WINDOW_US, TrainEstimator
from grace_transport.congestion.history import Arrived
from grace_transport.congestion.rtt import DEFAULT_RTT_US

EMPTY_US = 10_000  # a packet that waited less met no queue that stands
FORGET_US = 500_000  # an empty queue for so long contradicts what was believed of the capacity
GROW_WINDOW_US, FALL_WINDOW_US = 500_000, 200_000  # trains to grow by, and to fall by: bad news counts sooner
AIM = 1.1  # of the capacity that trains show: their mean over time is below the mean of a capacity that varies
GROWTH_PER_S = 20.0  # towards it: 1.16 per report of 50 ms
BLIND_GROWTH_PER_S, BLIND_US = 3.0, 300_000  # without trains, once the queue has been empty for so long
STEP_PER_S = 1.0  # ...and by no more than this share of it: equal steps make two calls' rates equal
PROVEN, PROVEN_LOSSY, PROVEN_BPS = 2.0, 1.5, 10_000  # no further beyond what arrives (1.5: libwebrtc's), less on losses
COMPETE_BYTES, COMPETE_BACKOFF = 1_200, 0.85  # where others fill the queue: a packet per response time, back on losses
SAME_ARRIVAL_US = 1_000  # packets that arrive so close together came out of one burst of a scheduler
OVERUSE_SHARE = 0.5  # of what trains show is the least on overuse: others may be who fills the queue
SATURATED = 0.9  # arrival rate over send rate of trains: below it they met the limit of the bottleneck
FALL_PER_S, MAX_FALL_PER_S = 2.0, 5.0  # per 100 ms of wait, and at most: calls that share a queue fall by one factor
FLOOR = 0.7  # of what arrives
DRAIN_US = 300_000  # a wait longer than EMPTY_US by so much would stop sending...
MIN_DRAIN_SHARE = 0.3  # ...if it were not for this share of the capacity
MAX_DRAIN_US = 2_000_000
FIRST_REST_US, MAX_REST_US = 5_000_000, 80_000_000
SILENCE_US, FADE_US, MIN_FADE = 250_000, 300_000, 0.1  # reports overdue by so long; from then on the rate fades
MIN_RESPONSE_US = 10_000  # a network without delay, or nonsense
PAUSE_US = 500_000  # of the sender: reports are not overdue while nothing is sent
PROBE_FACTOR = 4.0  # times the rate
PROBE_NEWS = 1.2  # a result below so much of the rate is a failure
PROBE_SHARE, PROBE_CREDIT_BYTES = 0.1, 4_000.0  # of all bytes may be probes, and how much of it can be saved up
PROBE_US, PROBE_BYTES = 15_000, 1_220  # length of a probe, and the least that its five packets take
FIRST_PROBE_REST_US, MAX_PROBE_REST_US = 500_000, 16_000_000


class Recovery:
    """Feed what is sent and every report. `rate` comes after the delay-based control, `limit` is for sending now."""

    def __init__(self) -> None:
        self._trains = TrainEstimator()
        self._wait_us = 0
        self._empty_since_us: int | None = None
        self._reported_us: int | None = None
        self._elapsed_us = 0  # between the last two reports
        self._response_us = DEFAULT_RTT_US
        self._sent_us = 0
        self._unanswered_us: int | None = None  # since when packets are sent without a report
        self._drain_since_us: int | None = None
        self._rest_until_us: int | None = None
        self._rest_us = FIRST_REST_US
        self._backed_off_us: int | None = None
        self._burst_us = 0.0  # of a scheduler that collects packets: the mean span of send times
        self._probed_us: int | None = None
        self._probe_rest_us = FIRST_PROBE_REST_US
        self._probe_credit = PROBE_CREDIT_BYTES

    @property
    def queue_is_empty(self) -> bool:
        """Some packet of the last report met no standing queue."""
        return self._empty_since_us is not None

    @property
    def competes(self) -> bool:
        """Others fill the queue: sending less has not emptied it. Delay then says nothing about our own rate."""
        return self._rest_until_us is not None

    def contradicts_capacity(self, now_us: int) -> bool:
        """The queue has been empty for so long that an old estimate of the capacity is worth nothing."""
        return self._empty_us(now_us) > FORGET_US

    def on_sent(self, size_bytes: int, sent_us: int) -> None:
        if self._unanswered_us is None or sent_us - self._sent_us > PAUSE_US:
            self._unanswered_us = sent_us
        self._sent_us = sent_us
        self._probe_credit = min(self._probe_credit + PROBE_SHARE * size_bytes, PROBE_CREDIT_BYTES)

    def on_report(
        self, arrived: Sequence[Arrived], wait_us: int, response_us: int, average_bps: float, now_us: int
    ) -> None:
        """`wait_us`: the shortest wait in the report; `response_us`: how long a report takes from the packets that it
        is about; `average_bps`: of the whole flow."""
        self._trains.on_arrived(arrived, average_bps)
        if self._reported_us is not None:
            self._elapsed_us = min(max(now_us - self._reported_us, 0), 300_000)
        self._reported_us, self._response_us = now_us, max(response_us, MIN_RESPONSE_US)
        self._unanswered_us = None
        self._burst_us += (_longest_burst_us(arrived) - self._burst_us) / 8
        self._wait_us = wait_us = max(wait_us - int(self._burst_us / 2), 0)
        if wait_us < EMPTY_US:
            self._empty_since_us = now_us if self._empty_since_us is None else self._empty_since_us
            self._drain_since_us = self._rest_until_us = self._backed_off_us = None
            self._rest_us = FIRST_REST_US
        else:
            self._empty_since_us = None
            self._stand(now_us)

    def rate(self, rate_bps: float, acked_bps: float | None, overused: bool, *, lossy: bool, congested: bool) -> float:
        """The rate in force, after `rate_bps` of the delay-based control. `acked_bps`: what arrives, None: unknown.

        `lossy`: the last report has losses; `congested`: some of them met a full queue."""
        trains = self._trains.rates(self._window_us(GROW_WINDOW_US))
        if self.competes:
            return self._compete(rate_bps, acked_bps, congested)
        if overused:
            return rate_bps if trains is None else max(rate_bps, OVERUSE_SHARE * trains.capacity_bps)
        if not self.queue_is_empty:
            fall = min(FALL_PER_S * self._wait_us / 100_000, MAX_FALL_PER_S) * self._elapsed_us / 1e6
            return min(rate_bps, max((1 - fall) * rate_bps, FLOOR * (acked_bps or 0.0)))
        proven_bps = (PROVEN_LOSSY if lossy else PROVEN) * (acked_bps or rate_bps) + PROVEN_BPS
        elapsed_s = self._elapsed_us / 1e6
        if trains is not None:
            growth: float = GROWTH_PER_S**elapsed_s - 1
            step_bps = min(rate_bps * growth, STEP_PER_S * trains.capacity_bps * elapsed_s)
            creep_bps = self._packet_step_bps()
            if rate_bps + creep_bps > AIM * trains.capacity_bps:
                step_bps, aim_bps = creep_bps, proven_bps
            else:
                aim_bps = min(AIM * trains.capacity_bps, proven_bps)
        elif self._reported_us is not None and self._empty_us(self._reported_us) >= BLIND_US:
            growth = BLIND_GROWTH_PER_S**elapsed_s - 1
            step_bps, aim_bps = rate_bps * growth, proven_bps
        else:
            step_bps, aim_bps = self._packet_step_bps(), proven_bps
        return max(rate_bps, min(rate_bps + step_bps, aim_bps))

    def limit(self, rate_bps: float, carried_bps: float | None, now_us: int) -> float:
        """What of `rate_bps` may be sent now. `carried_bps`: what the bottleneck carries, None if not known."""
        capacity_bps = carried_bps
        recent = self._trains.rates(self._window_us(FALL_WINDOW_US))
        if recent is not None:
            capacity_bps = min(recent.arrival_bps, carried_bps or recent.arrival_bps)
        if capacity_bps is not None and self._drain_since_us is not None:
            share = 1 - (self._wait_us - EMPTY_US) / DRAIN_US
            rate_bps = min(rate_bps, max(share, MIN_DRAIN_SHARE) * capacity_bps)
        if self._unanswered_us is not None:
            silence_us = now_us - self._unanswered_us - self._response_us - SILENCE_US
            rate_bps *= min(max(1 - silence_us / FADE_US, MIN_FADE), 1.0)
        return rate_bps

    def probe_bps(self, rate_bps: float, now_us: int) -> int | None:
        """The rate of a probe to send now, where the media itself cannot tell; None: no probe."""
        cost_bytes = max(PROBE_FACTOR * rate_bps * PROBE_US / 8e6, PROBE_BYTES)
        rests = self._probed_us is not None and now_us - self._probed_us < self._probe_rest_us
        if rests or self._empty_us(now_us) < BLIND_US or cost_bytes > self._probe_credit:
            return None
        if self._trains.rates(GROW_WINDOW_US) is not None or self._is_silent(now_us):
            return None
        self._probe_credit -= cost_bytes
        self._probed_us = now_us
        self._probe_rest_us = min(2 * self._probe_rest_us, MAX_PROBE_REST_US)
        return int(PROBE_FACTOR * rate_bps)

    def on_probe(self, result_bps: int, rate_bps: float) -> int | None:
        """A probe has measured `result_bps`. The rate to go to, or None if that is no news."""
        if result_bps <= PROBE_NEWS * rate_bps:
            return None
        self._probe_rest_us = FIRST_PROBE_REST_US
        return result_bps

    # -- inside ------------------------------------------------------------------------------------------------------

    def _window_us(self, least_us: int) -> int:
        """Long enough for the arrivals of a scheduler that works in bursts to average out."""
        return min(max(least_us, int(6 * self._burst_us)), MAX_WINDOW_US)

    def _packet_step_bps(self) -> float:
        """A packet more per response time, for the time since the last report."""
        return COMPETE_BYTES * 8e6 / self._response_us * self._elapsed_us / self._response_us

    def _compete(self, rate_bps: float, acked_bps: float | None, congested: bool) -> float:
        """As TCP does: a packet more per response time, less on losses."""
        now_us = self._reported_us or 0
        if congested:
            recent = self._backed_off_us is not None and now_us - self._backed_off_us < self._response_us
            if recent:
                return rate_bps
            self._backed_off_us = now_us
            return COMPETE_BACKOFF * rate_bps
        step_bps = self._packet_step_bps()
        proven_bps = PROVEN_LOSSY * (acked_bps or rate_bps) + PROVEN_BPS
        return max(rate_bps, min(rate_bps + step_bps, proven_bps))

    def _empty_us(self, now_us: int) -> int:
        return 0 if self._empty_since_us is None else now_us - self._empty_since_us

    def _is_silent(self, now_us: int) -> bool:
        return self._unanswered_us is not None and now_us - self._unanswered_us > self._response_us + SILENCE_US

    def _stand(self, now_us: int) -> None:
        """The queue stands: drain it, for a while."""
        if self._rest_until_us is not None and now_us < self._rest_until_us:
            return
        if self._drain_since_us is None:
            self._drain_since_us = now_us  # competing goes on until the queue is empty
        elif now_us - self._drain_since_us > MAX_DRAIN_US + self._wait_us:
            self._drain_since_us = None
            self._rest_until_us = now_us + self._rest_us
            self._rest_us = min(2 * self._rest_us, MAX_REST_US)


def _longest_burst_us(arrived: Sequence[Arrived]) -> int:
    """The longest span of send times of packets that arrived at once."""
    longest_us, first = 0, None
    for packet in arrived:
        if first is None or packet.arrived_us - first.arrived_us > SAME_ARRIVAL_US:
            first = packet
        longest_us = max(longest_us, packet.sent_us - first.sent_us)
    return longest_us
