"""Delay-based control on the time scale of a round trip: a few packets of queue over the minimum delay.

After Copa (Arun, Balakrishnan, "Copa: practical delay-based congestion control for the Internet", NSDI 2018): the rate
is steered towards 1 / (DELTA d) packets per second, where d is how long packets wait in the queue; the step doubles
every round trip in which the direction stays. As in Vidaptive (Karimi et al., 2023) the frame takes its budget from
the window itself: what the path holds less what is in flight, not a target rate that a codec follows over seconds.
Sender and receiver clocks differ, so waits are differences of one-way delays; the window is in bytes.

Where others fill the queue and it is never nearly empty, DELTA shrinks as in Copa's competitive mode: by a packet of
queue per round trip without loss, halved back on loss.
"""

from __future__ import annotations

from collections.abc import Sequence

from grace_transport.congestion.gcc.queue_delay import QueueDelay
from grace_transport.congestion.history import Arrived, PacketResult, SentHistory, arrived_in_order
from grace_transport.congestion.receiver_clock import ReceiverClock
from grace_transport.congestion.rtt import RoundTrip
from grace_transport.types import Feedback, PacketSent, ProbeCluster, RateTarget

PACKET_BYTES = 1_200
QUEUE_PACKETS = 2.0  # 1 / DELTA, the paper's 1 / 0.5
MAX_QUEUE_PACKETS = 16.0  # in competitive mode: a bound of ours, the paper has none
MIN_WAIT_US = 1_000  # resolution of arrival times and jitter of timers
EMPTY_SHARE, EMPTY_TRIPS = 0.1, 5  # of the peak wait is nearly empty; without it for so many round trips: others
STEADY_TRIPS, MAX_VELOCITY = 3, 32.0  # trips in one direction before the step doubles
LOSS_SHARE, LOSS_BACKOFF = 0.1, 0.7  # losses that met a queue: more than this of a round trip's packets
PACING_FACTOR = 2.0
SILENCE_US, MIN_SHARE = 150_000, 0.1  # without reports for so long beyond a round trip: an outage, perhaps


class Responsive:
    """A `CongestionController`; its budget per frame is the window less what is in flight."""

    def __init__(self, *, start_bps: int, min_bps: int, max_bps: int) -> None:
        if not 0 < min_bps <= max_bps:
            raise ValueError(f"limits must be 0 < min_bps <= max_bps, not {min_bps} and {max_bps}")
        self.name = "responsive"
        self.loss_control = "none"
        self._min_bps, self._max_bps = min_bps, max_bps
        self._rate_bps = float(min(max(start_bps, min_bps), max_bps))
        self._history, self._rtt = SentHistory(), RoundTrip()
        self._clock, self._queue = ReceiverClock(), QueueDelay()
        self._starting = True  # slow start: doubles every round trip until a queue shows
        self._velocity, self._direction, self._steady = 1.0, 0, 0
        self._trip_us: int | None = None  # when the round trip began that steps are counted in
        self._trip_rate_bps = self._rate_bps
        self._trip_sent = self._trip_lost = 0
        self._queue_packets = QUEUE_PACKETS
        self._emptied_us = 0
        self._reported_us: int | None = None
        self._elapsed_us = 0

    @property
    def state(self) -> str:
        if self._starting:
            return "slow start"
        return "competing" if self._queue_packets > QUEUE_PACKETS else "delay-based"

    def on_packet_sent(self, packet: PacketSent) -> None:
        self._history.on_packet_sent(packet)
        self._rtt.on_packet_sent(packet.sent_us)

    def on_feedback(self, feedback: Feedback, now_us: int) -> None:
        results = self._clock.corrected(self._history.on_feedback(feedback), now_us)
        arrived = arrived_in_order(results)
        self._rtt.on_arrived(arrived, now_us)
        self._queue.on_results(results)
        if not arrived:
            return
        self._elapsed_us = 0 if self._reported_us is None else min(now_us - self._reported_us, 250_000)
        self._reported_us = now_us
        self._count(results)
        if self._trip_us is None:
            self._trip_us = self._emptied_us = now_us
        self._steer(arrived, now_us)
        if now_us - self._trip_us >= self._rtt.response_us:
            self._end_trip(now_us)

    def handle_timer(self, now_us: int) -> None:
        """Nothing here depends on time alone: a frame's budget asks for the time."""

    def get_timer(self) -> int | None:
        return None

    def target(self) -> RateTarget:
        rate_bps = int(self._rate_bps)
        return RateTarget(rate_bps, int(PACING_FACTOR * rate_bps))

    def probes_to_send(self, now_us: int) -> list[ProbeCluster]:
        return []

    def rtt_us(self) -> int:
        return self._rtt.smoothed_us

    def frame_bytes(self, fps: float, now_us: int) -> int:
        """The frame's share of the rate, no more than the window has room for, within the limits."""
        window_us = self._rtt.response_us + 1_000_000 / fps + SILENCE_US
        room_bytes = self._rate_bps * window_us / 8e6 - self._history.in_flight_bytes
        share_bytes = self._rate_bps / 8 / fps
        size_bytes = max(min(share_bytes, room_bytes), MIN_SHARE * share_bytes)
        return int(min(max(size_bytes, self._min_bps / 8 / fps), self._max_bps / 8 / fps))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _count(self, results: Sequence[PacketResult]) -> None:
        self._trip_sent += sum(not r.was_lost for r in results)
        self._trip_lost += sum(r.arrived_us is None for r in results)

    def _steer(self, arrived: Sequence[Arrived], now_us: int) -> None:
        """One report's share of the round trip's step, towards what the wait in the queue allows."""
        wait_us = max(self._queue.shortest_us, MIN_WAIT_US)
        if wait_us < max(EMPTY_SHARE * self._queue.recent_peak_us, 2 * MIN_WAIT_US):
            self._emptied_us = now_us
        allowed_bps = self._queue_packets * PACKET_BYTES * 8e6 / wait_us
        share = self._elapsed_us / max(self._rtt.response_us, 1)
        arrived_bps = sum(p.size_bytes for p in arrived) * 8e6 / max(self._elapsed_us, 1)
        if self._rate_bps > allowed_bps:
            self._starting = False
        if self._starting:
            rate_bps = self._rate_bps * 2**share
        else:
            step_bps = self._velocity * self._queue_packets * PACKET_BYTES * 8e6 / self._rtt.response_us * share
            rate_bps = self._rate_bps + (step_bps if self._rate_bps < allowed_bps else -step_bps)
        if wait_us > self._rtt.response_us / 2:
            rate_bps = min(rate_bps, max(arrived_bps, self._rate_bps / 2))
        self._set(rate_bps)

    def _end_trip(self, now_us: int) -> None:
        """Velocity and competitive mode go by round trips."""
        direction = 1 if self._rate_bps > self._trip_rate_bps else -1
        self._steady = self._steady + 1 if direction == self._direction else 0
        self._velocity = min(2 * self._velocity, MAX_VELOCITY) if self._steady >= STEADY_TRIPS else 1.0
        self._direction = direction
        lossy = self._trip_lost > LOSS_SHARE * self._trip_sent and self._queue.recent_peak_us > 2 * MIN_WAIT_US
        competing = now_us - self._emptied_us > EMPTY_TRIPS * self._rtt.response_us
        if lossy:
            self._starting = False
            self._queue_packets = max(self._queue_packets / 2, QUEUE_PACKETS)
            self._set(LOSS_BACKOFF * self._rate_bps)
        elif competing:
            self._queue_packets = min(self._queue_packets + 1, MAX_QUEUE_PACKETS)
        else:
            self._queue_packets = QUEUE_PACKETS
        self._trip_us, self._trip_rate_bps = now_us, self._rate_bps
        self._trip_sent = self._trip_lost = 0

    def _set(self, rate_bps: float) -> None:
        self._rate_bps = min(max(rate_bps, self._min_bps), self._max_bps)
