"""What an application may choose when it installs the plug-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grace_transport.aiortc_plugin.contract import FindIdentity, LiveEvent, OpenReceiver, OpenSender
from grace_transport.congestion import DEFAULT_CONTROLLER


@dataclass(frozen=True, slots=True, kw_only=True)
class RtcOptions:
    """How GRACE streams of this process are sent and received.

    scheme: a row of SCHEMES that works live. controller: a row of CONTROLLERS, or package.module:Object.
    max_size, max_fps: what is sent at most; larger pictures are scaled down. adapt: follow the machine's load.
    measured: (microseconds, pixels) of encoding a P-frame here; None: the sender measures with its first pictures.
    observer: gets every event, on the event loop's thread; it must be quick, what it raises is logged.
    open_sender, open_receiver, identity: the ends, if not those of the entry-point group `grace_rtc.live`.

    Raises ValueError for rates out of order."""

    scheme: str = "grace-lite"
    controller: str = DEFAULT_CONTROLLER
    loss_control: str | None = None
    start_bps: int = 500_000
    min_bps: int = 50_000
    max_bps: int = 8_000_000
    max_size: tuple[int, int] = (1920, 1080)
    max_fps: float = 30.0
    adapt: bool = True
    measured: tuple[int, int] | None = None
    observer: Callable[[LiveEvent], None] | None = None
    open_sender: OpenSender | None = None
    open_receiver: OpenReceiver | None = None
    identity: FindIdentity | None = None

    def __post_init__(self) -> None:
        if not 0 < self.min_bps <= self.start_bps <= self.max_bps:
            raise ValueError(
                f"rates of {self.min_bps}, {self.start_bps}, {self.max_bps} bit/s: give min <= start <= max, all over 0"
            )
        if not 1 <= self.max_fps <= 240:
            raise ValueError(f"max_fps {self.max_fps:g}: give 1 to 240 frames per second")
        if min(self.max_size) < 64:
            raise ValueError(f"max_size {self.max_size[0]}x{self.max_size[1]}: both sides are 64 or more")
