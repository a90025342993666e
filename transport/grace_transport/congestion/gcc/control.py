"""Google Congestion Control on the sender's side, put together. Knows no wire format, codec or queue.

feedback -> history -> acked bitrate, probe estimate, group deltas -> delay-based rate -+-> target -> pacing, probes
                    -> losses ------------------------------------------ loss control -+

Dialect: libwebrtc's `goog_cc_network_control.cc` with transport-wide feedback alone (no REMB, no receiver reports).
"""

from __future__ import annotations

from collections.abc import Sequence

from grace_transport.congestion.gcc.acked_bitrate import AckedBitrate
from grace_transport.congestion.gcc.aimd import BACKOFF
from grace_transport.congestion.gcc.alr import AlrDetector
from grace_transport.congestion.gcc.delay_based import DelayBased, DelayEstimate
from grace_transport.congestion.gcc.drain import QueueDrain
from grace_transport.congestion.gcc.loss_cause import LossCause
from grace_transport.congestion.gcc.loss_v2 import LossState
from grace_transport.congestion.gcc.overuse import Usage
from grace_transport.congestion.gcc.probe_controller import ProbeController, ProbePermit
from grace_transport.congestion.gcc.probe_estimator import ProbeEstimator
from grace_transport.congestion.gcc.queue_delay import QueueDelay
from grace_transport.congestion.gcc.recovery import Recovery
from grace_transport.congestion.gcc.target_rate import TargetRate
from grace_transport.congestion.history import Arrived, PacketResult, SentHistory, arrived_in_order
from grace_transport.congestion.receiver_clock import ReceiverClock
from grace_transport.congestion.rtt import RoundTrip, RttBackoff
from grace_transport.types import Feedback, PacketSent, ProbeCluster, RateTarget

PACING_FACTOR = 2.5  # kDefaultPaceMultiplier
TIMER_US = 25_000  # libwebrtc's process interval
LOSS_INTERVAL_US = 1_000_000  # between two loss reports to v1 (kLossUpdateInterval)
MAX_FORGIVEN = 0.9  # random loss: beyond this nothing can be told from what arrives
MAX_CLUSTERS = 16  # probe clusters whose packets are still looked for


class Gcc:
    """A `CongestionController`. Raises ValueError for limits out of order or an unknown `loss_control`.

    `recovery`: what `gcc` adds to libwebrtc (recovery.py, receiver_clock.py, drops told from jitter by the queue)."""

    def __init__(
        self,
        *,
        start_bps: int,
        min_bps: int,
        max_bps: int,
        loss_control: str = "tolerant",
        backoff: RttBackoff | None = None,
        recovery: bool = False,
    ) -> None:
        self.name = "gcc"
        self.loss_control = loss_control
        self._start_bps, self._min_bps, self._max_bps = start_bps, min_bps, max_bps
        self._backoff = RttBackoff() if backoff is None else backoff
        self._recovers = recovery
        self._allocated_bps = 0
        self._begin(start_bps)

    def _begin(self, start_bps: int) -> None:
        self._history = SentHistory()
        self._rtt = RoundTrip()
        self._acked = AckedBitrate()
        self._probe_estimator = ProbeEstimator()
        self._delay = DelayBased(start_bps)
        self._rate = TargetRate(
            start_bps, self._min_bps, self._max_bps, loss_control=self.loss_control, backoff=self._backoff
        )
        self._alr = AlrDetector(self._rate.target_bps)
        self._was_in_alr = False
        self._probing = ProbeController(self._rate.target_bps, self._max_bps)
        self._probing_started = False
        self._clusters: dict[int, ProbeCluster] = {}
        self._probe_result = 0
        self._recovery = Recovery() if self._recovers else None
        self._recovery_clusters = 0
        self._receiver_clock = ReceiverClock()
        self._tolerant = self.loss_control == "tolerant"
        self._queue_delay = QueueDelay()
        self._cause = LossCause(self._queue_delay)
        self._drain = QueueDrain()
        self._lost = self._expected = 0  # since the last loss report
        self._loss_reported_us: int | None = None
        self._timer_us: int | None = None
        self._target = self._rate_target(self._rate.target_bps)

    # -- CongestionController ----------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """What the delay trend says, and the loss control where it is what holds the rate."""
        usage, loss = self._delay.usage.value, self._rate.loss_state
        return str(usage) if loss is LossState.DELAY_BASED else f"{usage}, loss {loss.value}"

    def on_packet_sent(self, packet: PacketSent) -> None:
        """A packet left, at its actual send time."""
        self._history.on_packet_sent(packet)
        self._rtt.on_packet_sent(packet.sent_us)
        if self._recovery is not None:
            self._recovery.on_sent(packet.size_bytes, packet.sent_us)
        self._alr.on_sent(0 if packet.padding else packet.size_bytes, packet.sent_us)
        if self._timer_us is None:
            self._timer_us = packet.sent_us + TIMER_US

    def on_feedback(self, feedback: Feedback, now_us: int) -> None:
        """One transport-wide report. What it says of unknown packets is ignored; nothing in it raises."""
        results = self._history.on_feedback(feedback)
        if not results:
            return
        if self._recovers:
            results = self._receiver_clock.corrected(results, now_us)
        arrived = arrived_in_order(results)
        self._rtt.on_arrived(arrived, now_us)
        self._follow_alr(now_us)
        self._acked.on_arrived(arrived)
        self._measure_probes(arrived)
        aimd = self._delay.aimd
        # libwebrtc answers with the time a report takes, not the path's: that is how old its knowledge is.
        aimd.rtt_us, aimd.in_alr = self._rtt.response_us, self._was_in_alr
        forgiven = self._forgive(results, now_us)
        acked_bps, carried_bps = self._acked.rate_bps, self._carried_bps()
        probe_bps = self._probe_result_bps(carried_bps)
        if self._recovery is not None:
            average_bps = acked_bps or self._target.bitrate_bps
            wait_us, response_us = self._queue_delay.shortest_us, self._rtt.response_us
            self._recovery.on_report(arrived, wait_us, response_us, average_bps, now_us)
        recovery = self._recovery
        no_congestion = recovery is not None and (recovery.queue_is_empty or recovery.competes)
        estimate = self._delay.on_arrived(
            arrived, acked_bps, probe_bps, now_us, carried_bps, ignore_overuse=no_congestion
        )
        if self._recovery is not None and arrived and not estimate.from_probe:
            lost = [r.seq for r in results if r.arrived_us is None]
            congested = any(seq not in forgiven for seq in lost)
            estimate = self._recover(self._recovery, estimate, bool(lost), congested, now_us)
        self._combine(estimate, results, forgiven, now_us)
        self._publish(now_us)
        if estimate.recovered:
            self._probing.on_recovered(now_us)

    def handle_timer(self, now_us: int) -> None:
        """Every 25 ms while packets are sent: round-trip back-off, v1 growth, periodic probes."""
        self._timer_us = now_us + TIMER_US
        self._rate.on_rtt(self._rtt.path_us, self._rtt.corrected_us)
        self._rate.update(now_us)
        self._follow_alr(now_us)
        self._publish(now_us)
        self._probing.handle_timer(now_us)

    def get_timer(self) -> int | None:
        """None before the first packet."""
        return self._timer_us

    def target(self) -> RateTarget:
        return self._target

    def probes_to_send(self, now_us: int) -> list[ProbeCluster]:
        """Clusters for the pacer, each once; the first call gives the initial ones."""
        if not self._probing_started:
            self._probing_started = True
            if self._recovery is None:
                self._probing.start(now_us)
                self._probing.on_allocation(self._allocated_bps, now_us)
        recovery = self._recovery
        clusters = self._probing.take() if recovery is None else self._recovery_probes(recovery, now_us)
        for cluster in clusters:
            self._clusters[cluster.cluster_id] = cluster
        while len(self._clusters) > MAX_CLUSTERS:
            del self._clusters[next(iter(self._clusters))]
        return clusters

    def rtt_us(self) -> int:
        return self._rtt.smoothed_us

    def frame_bytes(self, fps: float, now_us: int) -> int:
        return int(self._target.bitrate_bps / 8 / fps)

    # -- more than the contract asks ----------------------------------------------------------------------------------

    @property
    def in_alr(self) -> bool:
        """The application sends less than it may."""
        return self._alr.started_us is not None

    @property
    def usage(self) -> Usage:
        """What the delay trend says."""
        return self._delay.usage

    @property
    def acked_bps(self) -> int | None:
        """Rate at which packets arrive; None before half a second of them."""
        acked_bps = self._acked.rate_bps
        return None if acked_bps is None else int(acked_bps)

    def on_allocation(self, wanted_bps: int, now_us: int) -> None:
        """The application could use `wanted_bps` now: probes go no further than twice that. Optional; 0: unknown."""
        self._allocated_bps = wanted_bps
        if self._probing_started:
            self._probing.on_allocation(wanted_bps, now_us)

    def on_route_change(self, now_us: int) -> None:
        """Another path (ICE restart, other network): forget everything, start no higher than at first, and probe."""
        self._begin(min(self._start_bps, self._rate.target_bps))
        self._timer_us = now_us + TIMER_US

    # -- inside ------------------------------------------------------------------------------------------------------

    def _follow_alr(self, now_us: int) -> None:
        started_us = self._alr.started_us
        self._probing.on_alr(started_us, now_us)
        if self._was_in_alr and started_us is None:
            self._acked.on_alr_ended(now_us)
        self._was_in_alr = started_us is not None

    def _measure_probes(self, arrived: Sequence[Arrived]) -> None:
        for packet in arrived:
            if packet.probe_cluster is not None:
                cluster = self._clusters.get(packet.probe_cluster)
                if cluster is not None:
                    self._probe_estimator.on_packet(cluster, packet)

    def _forgive(self, results: Sequence[PacketResult], now_us: int) -> frozenset[int]:
        """Losses that are not the rate's fault, by sequence number; of the tolerant control alone."""
        self._queue_delay.on_results(results)
        if not self._tolerant:
            return frozenset()
        self._drain.on_wait(self._queue_delay.shortest_us, now_us)
        return self._cause.forgiven(results)

    def _carried_bps(self) -> float | None:
        """What the bottleneck carried: what arrived and what was lost behind it, through no fault of the rate."""
        acked_bps = self._acked.rate_bps
        return None if acked_bps is None else acked_bps / (1 - min(self._cause.random_loss, MAX_FORGIVEN))

    def _probe_result_bps(self, carried_bps: float | None) -> int | None:
        """The newest probe result. One that measured little lowers the rate no further than overuse would, and only
        if the one before it had measured little too: it may have met jitter, or a busy moment."""
        result_bps = self._probe_estimator.fetch()
        if result_bps is None:
            return None
        if self._recovery is not None:
            return self._recovery.on_probe(result_bps, self._delay.aimd.rate_bps or 0)
        before_bps, self._probe_result = self._probe_result, result_bps
        proven_bps = max(before_bps, int(BACKOFF * (carried_bps or 0)))
        return max(result_bps, min(proven_bps, self._delay.aimd.rate_bps or 0))

    def _recover(
        self, recovery: Recovery, estimate: DelayEstimate, lossy: bool, congested: bool, now_us: int
    ) -> DelayEstimate:
        """The delay-based estimate, taken on to where trains and an empty or a full queue lead."""
        aimd = self._delay.aimd
        if recovery.contradicts_capacity(now_us):
            aimd.forget_capacity()
        rate_bps = aimd.rate_bps
        if rate_bps is None:
            return estimate
        overused = self._delay.usage is Usage.OVERUSE
        recovered_bps = int(recovery.rate(rate_bps, self._acked.rate_bps, overused, lossy=lossy, congested=congested))
        if recovered_bps == rate_bps:
            return estimate
        aimd.set_estimate(recovered_bps, now_us)
        loss_limited = self._rate.loss_state is not LossState.DELAY_BASED
        if recovered_bps > rate_bps and loss_limited and recovery.queue_is_empty and not congested:
            self._rate.on_probe(recovered_bps)  # an empty queue without losses disproves the limit that losses had set
        return DelayEstimate(aimd.rate_bps, recovered=estimate.recovered)

    def _recovery_probes(self, recovery: Recovery, now_us: int) -> list[ProbeCluster]:
        probe_bps = recovery.probe_bps(self._target.bitrate_bps, now_us)
        if probe_bps is None or self._permit() is ProbePermit.FORBIDDEN:
            return []
        self._recovery_clusters += 1
        return [ProbeCluster(self._recovery_clusters, min(probe_bps, self._max_bps))]

    def _combine(
        self, estimate: DelayEstimate, results: Sequence[PacketResult], forgiven: frozenset[int], now_us: int
    ) -> None:
        rate = self._rate
        rate.on_rtt(self._rtt.path_us, self._rtt.corrected_us)
        self._count_losses(results, now_us)
        if estimate.rate_bps is not None:
            if estimate.from_probe:
                rate.on_probe(estimate.rate_bps)
            rate.on_delay_based(estimate.rate_bps)
        rate.on_results(results, self._carried_bps(), self._was_in_alr, now_us, forgiven)

    def _count_losses(self, results: Sequence[PacketResult], now_us: int) -> None:
        for result in results:
            if result.was_lost:
                self._lost -= 1
            else:
                self._expected += 1
                self._lost += result.arrived_us is None
        last_us = self._loss_reported_us
        if last_us is None or now_us - last_us > LOSS_INTERVAL_US:
            self._loss_reported_us = now_us
            self._rate.on_packets_lost(self._lost, self._expected, now_us)
            self._lost = self._expected = 0

    def _permit(self) -> ProbePermit:
        state = self._rate.loss_state
        if self._rate.rtt_is_absurd or state is LossState.DECREASING:
            return ProbePermit.FORBIDDEN
        if state is LossState.INCREASING:
            return ProbePermit.CAUTIOUS
        return ProbePermit.FORBIDDEN if self._delay.usage is Usage.OVERUSE else ProbePermit.FREE

    def _is_held(self, permit: ProbePermit) -> bool:
        """The rate could grow if more were sent; not so if loss holds it down."""
        aimd = self._delay.aimd
        return permit is ProbePermit.CAUTIOUS or (aimd.is_held and self._rate.target_bps >= (aimd.rate_bps or 0))

    def _publish(self, now_us: int) -> None:
        rate_bps = self._rate.target_bps
        self._alr.set_estimate(rate_bps)
        permit = self._permit()
        self._probing.on_jitter(self._delay.jitter_us)
        self._probing.on_held(self._is_held(permit), now_us)
        self._probing.on_estimate(rate_bps, permit, now_us)
        carried_bps = self._carried_bps()
        if self._recovery is not None:
            rate_bps = int(self._recovery.limit(rate_bps, carried_bps, now_us))
        else:
            rate_bps = self._drain.limit(rate_bps, carried_bps)
        rate_bps = max(rate_bps, self._min_bps)
        if rate_bps != self._target.bitrate_bps:
            self._target = self._rate_target(rate_bps)

    def _rate_target(self, rate_bps: int) -> RateTarget:
        return RateTarget(rate_bps, int(PACING_FACTOR * rate_bps))
