"""What a demo is asked for. Owns the limits of its values; knows nothing of processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace_codec.media.video_file import check_size
from grace_lab.matrix import MIN_BPS
from grace_lab.report.results import short_name
from grace_netsim.trace.files import load_rates
from grace_transport.congestion import find_controller
from grace_transport.congestion.controller import CongestionController

PLAIN: Final = {"h264": "plain H.264", "vp8": "plain VP8"}
"""Schemes that are aiortc as it is: its codec, its retransmission, its rate control."""
OURS: Final = ("grace-lite", "grace-p", "grace-d", "stub")
MAX_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """One demo: the same clip over the same trace, a call for each scheme. Raises ValueError, ClipError, TraceError."""

    out: Path
    schemes: tuple[str, ...] = ("grace-lite", "h264")
    video: str = "builtin:talk"
    trace: str = "lte-3"
    scale: float = 0.4
    seconds: float = 20
    size: tuple[int, int] = (320, 180)
    fps: float = 12.5
    owd_ms: float = 100
    queue_packets: int = 25
    cc: str = "gcc"
    start_bps: int = 300_000
    min_bps: int = MIN_BPS
    max_bps: int = 3_000_000
    seed: int = 1
    adapt: bool = True

    def __post_init__(self) -> None:
        known = (*OURS, *PLAIN)
        if not self.schemes or (unknown := [name for name in self.schemes if name not in known]):
            wrong = ", ".join(unknown) if self.schemes else "(none)"
            raise ValueError(f"no scheme is called {wrong}: use {', '.join(known)}")
        if len(set(self.schemes)) < len(self.schemes):
            raise ValueError("name each scheme once")
        if not 2 <= self.seconds <= MAX_SECONDS:
            raise ValueError(f"{self.seconds:g} s: a call lasts 2 to {MAX_SECONDS} seconds")
        if not 0.01 <= self.scale <= 100:
            raise ValueError(f"the trace times {self.scale:g}: give a factor of 0.01 to 100")
        check_size(*self.size, "the wanted size")
        load_rates(self.trace)
        self.controller()

    def controller(self) -> CongestionController:
        """As a sender makes it; here to tell what it calls its loss control."""
        return find_controller(self.cc)(start_bps=self.start_bps, min_bps=self.min_bps, max_bps=self.max_bps)

    @property
    def network(self) -> str:
        """The trace's name with its factor, for people."""
        return self.trace if self.scale == 1 else f"{short_name(self.trace)} at {100 * self.scale:g} %"

    @property
    def queue(self) -> int:
        """Packets that the narrower link queues: scaled as well, it is as long in milliseconds as the trace's own."""
        return max(2, round(self.queue_packets * self.scale))

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))


def title(scheme: str) -> str:
    """A scheme's name for people."""
    return PLAIN.get(scheme) or (f"GRACE ({scheme})" if scheme.startswith("grace") else scheme)
