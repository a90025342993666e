"""No control at all: a fixed rate, for baselines and for links whose rate is known. Measures the round trip only."""

from __future__ import annotations

from grace_transport.congestion.history import SentHistory, arrived_in_order
from grace_transport.congestion.rtt import RoundTrip
from grace_transport.types import Feedback, PacketSent, ProbeCluster, RateTarget

PACING_FACTOR = 2.5  # as Gcc


class Fixed:
    """A `CongestionController` that stays at `start_bps`, within the limits."""

    def __init__(self, *, start_bps: int, min_bps: int, max_bps: int) -> None:
        if not 0 < min_bps <= max_bps:
            raise ValueError(f"limits must be 0 < min_bps <= max_bps, not {min_bps} and {max_bps}")
        self.name = "fixed"
        self.loss_control = "none"
        rate_bps = min(max(start_bps, min_bps), max_bps)
        self._target = RateTarget(rate_bps, int(PACING_FACTOR * rate_bps))
        self._history = SentHistory()
        self._rtt = RoundTrip()

    @property
    def state(self) -> str:
        return "fixed"

    def on_packet_sent(self, packet: PacketSent) -> None:
        self._history.on_packet_sent(packet)
        self._rtt.on_packet_sent(packet.sent_us)

    def on_feedback(self, feedback: Feedback, now_us: int) -> None:
        self._rtt.on_arrived(arrived_in_order(self._history.on_feedback(feedback)), now_us)

    def handle_timer(self, now_us: int) -> None:
        """Nothing here depends on time."""

    def get_timer(self) -> int | None:
        return None

    def target(self) -> RateTarget:
        return self._target

    def probes_to_send(self, now_us: int) -> list[ProbeCluster]:
        return []

    def rtt_us(self) -> int:
        return self._rtt.smoothed_us

    def frame_bytes(self, fps: float, now_us: int) -> int:
        return int(self._target.bitrate_bps / 8 / fps)
