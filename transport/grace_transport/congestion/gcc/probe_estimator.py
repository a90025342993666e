"""Bandwidth from the packets of one probe cluster. Decides nothing; knows no timers.

Dialect: libwebrtc's `probe_bitrate_estimator.cc`.
"""

from __future__ import annotations

from dataclasses import dataclass

from grace_transport.congestion.history import Arrived
from grace_transport.types import ProbeCluster

ENOUGH = 0.8  # of a cluster's packets and of its bytes
MAX_INTERVAL_US = 1_000_000
MAX_RATIO = 2.0  # receive rate over send rate: beyond it the arrival times are wrong
UNSATURATED = 0.9  # receive rate over send rate: below it the bottleneck was full...
TARGET_UTILISATION = 0.95  # ...and this much of what it carried is safe
HISTORY_US = 1_000_000
MAX_CLUSTERS = 16  # far more than are ever open; bounds memory against absurd arrival times


@dataclass(slots=True)
class _Cluster:
    first_sent_us: int
    last_sent_us: int
    first_arrived_us: int
    last_arrived_us: int
    last_sent_bytes: int
    first_arrived_bytes: int
    packets: int = 0
    size_bytes: int = 0

    def add(self, sent_us: int, arrived_us: int, size_bytes: int) -> None:
        self.first_sent_us = min(self.first_sent_us, sent_us)
        if sent_us > self.last_sent_us:
            self.last_sent_us, self.last_sent_bytes = sent_us, size_bytes
        elif sent_us == self.last_sent_us and self.packets:
            self.last_sent_bytes += size_bytes  # several packets in one burst: none of them took time yet
        if arrived_us < self.first_arrived_us:
            self.first_arrived_us, self.first_arrived_bytes = arrived_us, size_bytes
        self.last_arrived_us = max(self.last_arrived_us, arrived_us)
        self.packets += 1
        self.size_bytes += size_bytes


class ProbeEstimator:
    """Feed the acknowledged packets of probes; the last estimate is fetched once."""

    def __init__(self) -> None:
        self._clusters: dict[int, _Cluster] = {}
        self._estimate_bps: int | None = None

    def fetch(self) -> int | None:
        """The newest estimate since the last fetch."""
        estimate_bps, self._estimate_bps = self._estimate_bps, None
        return estimate_bps

    def on_packet(self, probe: ProbeCluster, packet: Arrived) -> int | None:
        """The estimate with this packet of `probe`; None if the cluster gives none (yet)."""
        sent_us, arrived_us, size_bytes = packet.sent_us, packet.arrived_us, packet.size_bytes
        self._forget_old(arrived_us)
        cluster = self._clusters.get(probe.cluster_id)
        if cluster is None:
            cluster = _Cluster(sent_us, sent_us, arrived_us, arrived_us, size_bytes, size_bytes)
            self._clusters[probe.cluster_id] = cluster
            if len(self._clusters) > MAX_CLUSTERS:
                del self._clusters[next(iter(self._clusters))]
        cluster.add(sent_us, arrived_us, size_bytes)
        min_bytes = probe.bitrate_bps * probe.min_duration_us // 8_000_000
        if cluster.packets < ENOUGH * probe.min_packets or cluster.size_bytes < ENOUGH * min_bytes:
            return None
        estimate_bps = _estimate_bps(cluster)
        if estimate_bps is not None:
            self._estimate_bps = estimate_bps
        return estimate_bps

    def _forget_old(self, arrived_us: int) -> None:
        old = [key for key, c in self._clusters.items() if c.last_arrived_us < arrived_us - HISTORY_US]
        for key in old:
            del self._clusters[key]


def _estimate_bps(cluster: _Cluster) -> int | None:
    """What was sent before the last packet left, and what came after the first one arrived, each by its time."""
    send_us = cluster.last_sent_us - cluster.first_sent_us
    receive_us = cluster.last_arrived_us - cluster.first_arrived_us
    if not (0 < send_us <= MAX_INTERVAL_US and 0 < receive_us <= MAX_INTERVAL_US):
        return None
    send_bps = (cluster.size_bytes - cluster.last_sent_bytes) * 8_000_000 / send_us
    receive_bps = (cluster.size_bytes - cluster.first_arrived_bytes) * 8_000_000 / receive_us
    if receive_bps > MAX_RATIO * send_bps:
        return None
    if receive_bps < UNSATURATED * send_bps:
        return int(TARGET_UTILISATION * receive_bps)
    return int(min(send_bps, receive_bps))
