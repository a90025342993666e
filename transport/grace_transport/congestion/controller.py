"""The congestion controller contract. Controllers are pure: time comes in, targets and probes come out."""

from __future__ import annotations

from typing import Protocol

from grace_transport.types import Feedback, PacketSent, ProbeCluster, RateTarget


class CongestionController(Protocol):
    """Sender-side rate control from transport-wide feedback."""

    name: str
    loss_control: str  # "v1", "v2", "tolerant", "off" or "none": recorded in every result

    @property
    def state(self) -> str:
        """One word for what the controller is doing now, for logs and plots."""
        ...

    def on_packet_sent(self, packet: PacketSent) -> None: ...

    def on_feedback(self, feedback: Feedback, now_us: int) -> None: ...

    def handle_timer(self, now_us: int) -> None: ...

    def get_timer(self) -> int | None: ...

    def target(self) -> RateTarget: ...

    def probes_to_send(self, now_us: int) -> list[ProbeCluster]:
        """Probe clusters to start now; each is returned once."""
        ...

    def rtt_us(self) -> int:
        """Smoothed round-trip time as feedback shows it (200 ms before the first)."""
        ...

    def frame_bytes(self, fps: float, now_us: int) -> int:
        """Bytes that the next frame may take on the wire; by default target bitrate / fps. Sal-CC answers per frame."""
        ...
