"""The settings of a demo and their limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace_codec.media import MIN_SIDE_PX, check_size, open_clip
from grace_lab.matrix import MIN_BPS
from grace_lab.report.results import short_name
from grace_netsim.trace.files import load_rates
from grace_transport.congestion import find_controller
from grace_transport.congestion.controller import CongestionController

PLAIN: Final = {"h264": "aiortc's H.264", "vp8": "aiortc's VP8"}
"""Schemes without the plug-in: aiortc's own codec, retransmission and rate control."""
OURS: Final = ("grace-lite", "grace-p", "grace-d", "x264", "stub")
"""Schemes under our congestion control and pacing."""
SAME_CONTROL: Final = "H.264, same control"
"""Title of x264: H.264 under the congestion control and pacing that GRACE has."""
MAX_SECONDS: Final = 600
DEFAULT_PIXELS: Final = 320 * 180
"""Two cores encode and decode this many in real time, with both ends and the network of the call on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """One demo: the same clip over the same trace, a call for each scheme. Raises ValueError, ClipError, TraceError."""

    out: Path
    schemes: tuple[str, ...] = ("grace-lite", "x264", "h264")
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
        """The controller as a sender makes it, to tell what it calls its loss control."""
        return find_controller(self.cc)(start_bps=self.start_bps, min_bps=self.min_bps, max_bps=self.max_bps)

    @property
    def network(self) -> str:
        """The trace's name with its factor, for people."""
        return self.trace if self.scale == 1 else f"{short_name(self.trace)} at {100 * self.scale:g} %"

    @property
    def queue(self) -> int:
        """Packets that the scaled link queues: scaled as its rate is, so that a full queue lasts as long as before."""
        return max(2, round(self.queue_packets * self.scale))

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return max(1, round(self.seconds * self.fps))


def title(scheme: str) -> str:
    """A scheme's name for people."""
    if scheme == "x264":
        return SAME_CONTROL
    return PLAIN.get(scheme) or (f"GRACE ({scheme})" if scheme.startswith("grace") else scheme)


def fitting_size(video: str) -> tuple[int, int]:
    """Width and height with the video's shape and at most DEFAULT_PIXELS, both even. Raises ClipError."""
    with open_clip(video) as clip:
        scale = min(1.0, math.sqrt(DEFAULT_PIXELS / (clip.width * clip.height)))
        width, height = (max(MIN_SIDE_PX, round(side * scale / 2) * 2) for side in (clip.width, clip.height))
    return width, height
