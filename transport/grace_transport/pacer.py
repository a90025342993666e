"""Spreads packets over time: what leaves now, how late the rest is, and how much padding a probe needs.

Knows sizes, priorities and rates; not what a packet holds, which rate is right, or the clock. After libwebrtc's
`pacing_controller.cc` and `bitrate_prober.cc`.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

from grace_transport.types import ProbeCluster

T = TypeVar("T")

BURST_US = 5_000  # media leaves in bursts that are worth this long at the pacing rate (design B11: 5 ms tick)
MAX_DEBT_US = 500_000  # what was sent too early (probes) holds the rest up no longer than this (libwebrtc)
QUEUE_LIMIT_US = (
    2_000_000  # the rate is raised so that the queue drains in this time (libwebrtc kMaxExpectedQueueLength)
)
MIN_DRAIN_US = 1_000
# A probe burst is worth this long at the probe's rate: libwebrtc's RecommendedMinProbeSize, twice its min_probe_delta
# of 1 ms, which keeps timer resolution out of the measurement.
PROBE_BURST_US = 2_000
# A probe whose timer comes this late is given up (libwebrtc's max_probe_delay): an event loop on a machine that also
# runs a codec wakes 10 ms late now and then. A late probe measures less, never too much.
MAX_PROBE_DELAY_US = 20_000
PROBE_TIMEOUT_US = 5_000_000  # a probe that could not start for so long is stale (libwebrtc kProbeClusterTimeout)
MAX_WAITING_PROBES = 8
PADDING_PACKET_BYTES = 244  # 224 bytes of padding, libwebrtc's kMaxPaddingLength, and the RTP header with extension


class Priority(IntEnum):
    """Smaller leaves first (libwebrtc's order). Audio does not pass through this pacer: aiortc sends it by itself."""

    RETRANSMISSION = 0
    VIDEO = 1
    PADDING = 2


class Sendable(NamedTuple, Generic[T]):
    """A packet that leaves now, and the probe cluster that it counts for, if any."""

    item: T
    probe_cluster: int | None


class PaddingWanted(NamedTuple):
    """Bytes of padding that the caller sends now for a probe; (0, None) if none."""

    size_bytes: int
    probe_cluster: int | None


class _Queued(NamedTuple, Generic[T]):
    item: T
    size_bytes: int
    enqueued_us: int


class _Probe:
    """A cluster being sent."""

    def __init__(self, cluster: ProbeCluster, asked_us: int) -> None:
        self.cluster_id = cluster.cluster_id
        self.rate_bps = max(cluster.bitrate_bps, 1)
        self.burst_bytes = max(self.rate_bps * PROBE_BURST_US // 8_000_000, 1)
        self.asked_us = asked_us
        self.packets_left = cluster.min_packets
        self.bytes_left = max(self.rate_bps * cluster.min_duration_us // 8_000_000, 1)
        self.sent_bytes = 0
        self.started_us: int | None = None
        self.next_us = asked_us

    @property
    def done(self) -> bool:
        return self.packets_left <= 0 and self.bytes_left <= 0

    def sent(self, size_bytes: int, packets: int, now_us: int) -> None:
        if self.started_us is None:
            self.started_us = now_us
        self.sent_bytes += size_bytes
        self.packets_left -= packets
        self.bytes_left -= size_bytes
        # The next burst comes when the cluster's rate has caught up with what was sent.
        self.next_us = self.started_us + self.sent_bytes * 8_000_000 // self.rate_bps


class Pacer(Generic[T]):
    """A priority queue that is emptied at the pacing rate, and in probe bursts.

    Use: `enqueue`; then at every wake `pop_due`, and `padding_wanted` right after it; sleep until `get_timer`."""

    def __init__(self, pacing_bps: int) -> None:
        self._pacing_bps = max(pacing_bps, 1)
        self._queues: tuple[deque[_Queued[T]], ...] = tuple(deque() for _ in Priority)
        self._queue_bytes = 0
        self._queue_packets = 0
        self._enqueued_sum_us = 0  # of all queued packets: gives their mean age without walking the queue
        self._debt_bits = 0.0  # sent, but not yet paid for by time at the pacing rate
        self._paid_us: int | None = None
        self._last_us = 0
        self._probes: deque[_Probe] = deque()
        self._active = False  # libwebrtc's prober starts with the first packet: nothing to pad before

    @property
    def queue_bytes(self) -> int:
        return self._queue_bytes

    def queue_us(self, now_us: int) -> int:
        """How long the queue takes to drain at the rate of now."""
        return self._queue_bytes * 8_000_000 // self._rate_bps(now_us)

    def set_rate(self, pacing_bps: int, now_us: int) -> None:
        self._pay(now_us)  # what is owed so far was owed at the old rate
        self._pacing_bps = max(pacing_bps, 1)

    def add_probe(self, cluster: ProbeCluster, now_us: int) -> None:
        """Send `cluster` after those asked for before it; a surplus of waiting ones is dropped, oldest first."""
        self._probes.append(_Probe(cluster, now_us))
        if len(self._probes) > MAX_WAITING_PROBES:
            del self._probes[1 if self._probes[0].started_us is not None else 0]

    def enqueue(self, item: T, size_bytes: int, priority: Priority, now_us: int) -> None:
        """`size_bytes` as it will be charged to the network; raises ValueError if it is not positive."""
        if size_bytes <= 0:
            raise ValueError(f"a packet of {size_bytes} bytes cannot be paced")
        self._queues[priority].append(_Queued(item, size_bytes, now_us))
        self._queue_bytes += size_bytes
        self._queue_packets += 1
        self._enqueued_sum_us += now_us
        self._active = True

    def pop_due(self, now_us: int) -> list[Sendable[T]]:
        """Everything that leaves now, in order."""
        self._pay(now_us)
        due: list[Sendable[T]] = []
        probe = self._due_probe(now_us)
        if probe is not None:
            self._pop_probe(probe, due, now_us)
        if self._queue_packets:
            # Once the debt is paid a whole burst may go: fewer wakes than packet by packet, at the same rate.
            burst_bits = self._rate_bps(now_us) * BURST_US / 1_000_000 if self._debt_bits <= 0 else 0.0
            while self._queue_packets and self._debt_bits < burst_bits:
                due.append(Sendable(self._pop_first(), None))
        return due

    def padding_wanted(self, now_us: int) -> PaddingWanted:
        """What a due probe burst lacks after `pop_due`. Asking commits: the bytes count as sent."""
        probe = self._due_probe(now_us)
        if probe is None or self._queue_packets:
            return PaddingWanted(0, None)
        size_bytes = probe.burst_bytes
        self._count_probe(probe, size_bytes, -(-size_bytes // PADDING_PACKET_BYTES), now_us)
        self._debt_bits += size_bytes * 8
        return PaddingWanted(size_bytes, probe.cluster_id)

    def get_timer(self) -> int | None:
        """When `pop_due` or `padding_wanted` next has something; None while there is nothing to send."""
        timers = []
        if self._probes and self._active:
            timers.append(self._probes[0].next_us)
        if self._queue_packets:
            wait_us = self._debt_bits * 1_000_000 / self._rate_bps(self._last_us)
            timers.append(self._last_us + min(-int(-wait_us // 1), MAX_DEBT_US))
        return min(timers, default=None)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _rate_bps(self, now_us: int) -> int:
        """The pacing rate, or what drains the queue before its packets are on average 2 s old."""
        if not self._queue_packets:
            return self._pacing_bps
        age_us = now_us - self._enqueued_sum_us // self._queue_packets
        left_us = max(QUEUE_LIMIT_US - age_us, MIN_DRAIN_US)
        return max(self._pacing_bps, self._queue_bytes * 8_000_000 // left_us)

    def _pay(self, now_us: int) -> None:
        """Time since the last payment pays off debt. Time that runs backwards pays nothing."""
        if self._paid_us is not None and now_us > self._paid_us:
            paid_bits = self._rate_bps(now_us) * (now_us - self._paid_us) / 1_000_000
            owed_bits = min(self._debt_bits, self._pacing_bps * MAX_DEBT_US / 1_000_000)
            self._debt_bits = max(owed_bits - paid_bits, 0.0)
            if self._debt_bits < 1:  # less than a bit is rounding of the timer
                self._debt_bits = 0.0
        self._paid_us = self._last_us = now_us

    def _due_probe(self, now_us: int) -> _Probe | None:
        """The probe whose next burst is due, after dropping those that are too late."""
        while self._active and self._probes:
            probe = self._probes[0]
            if probe.started_us is None:
                stale = now_us - probe.asked_us > PROBE_TIMEOUT_US
            else:
                stale = now_us - probe.next_us > MAX_PROBE_DELAY_US
            if not stale:
                return probe if probe.next_us <= now_us else None
            self._probes.popleft()
        return None

    def _pop_probe(self, probe: _Probe, due: list[Sendable[T]], now_us: int) -> None:
        """One burst of the probe out of the queue; `padding_wanted` fills what is missing."""
        burst_bytes = 0
        while self._queue_packets and burst_bytes < probe.burst_bytes:
            before = self._queue_bytes
            due.append(Sendable(self._pop_first(), probe.cluster_id))
            size_bytes = before - self._queue_bytes
            burst_bytes += size_bytes
            self._count_probe(probe, size_bytes, 1, now_us)

    def _count_probe(self, probe: _Probe, size_bytes: int, packets: int, now_us: int) -> None:
        probe.sent(size_bytes, packets, now_us)
        if probe.done and self._probes and self._probes[0] is probe:
            self._probes.popleft()
            if self._probes:  # the next cluster must not run into this one's burst
                self._probes[0].next_us = max(self._probes[0].next_us, probe.next_us)

    def _pop_first(self) -> T:
        for queue in self._queues:
            if queue:
                return self._pop(queue)
        raise IndexError("nothing is queued")

    def _pop(self, queue: deque[_Queued[T]]) -> T:
        item, size_bytes, enqueued_us = queue.popleft()
        self._queue_bytes -= size_bytes
        self._queue_packets -= 1
        self._enqueued_sum_us -= enqueued_us
        self._debt_bits += size_bytes * 8
        return item
