"""The contract between the plug-in and the two live ends: protocols, options and plain data. No aiortc, no pixels.

The live ends (`grace_sender.live`, `grace_receiver.live`) are in packages that transport must not import. They
implement the protocols here, and the plug-in finds them by entry point (`installation.find_end`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from grace_transport.aiortc_plugin.stats import ReceiverStats, SenderStats
from grace_transport.congestion import DEFAULT_CONTROLLER
from grace_transport.runtime.live_end import LiveEvent
from grace_transport.wire.rtcp import RtcpPacket

VideoFrame = Any
"""An `av.VideoFrame`; transport does not import PyAV."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The versions that both ends of a call must share to decode each other; the SDP carries them (docs/wire.md).

    bitstream: version of the payload format. profile: number of the codec profile. model: 32-bit checksum of its
    weights and entropy tables."""

    bitstream: int
    profile: int
    model: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One GRACE stream as negotiated.

    ssrc, payload_type: of its RTP packets. transport_seq_id: header extension id of the transport-wide sequence number
    (RFC 8285, 1 to 14). feedback_ssrc: the SSRC under which the receiver reports. profile: as in `Identity`."""

    ssrc: int
    payload_type: int
    transport_seq_id: int
    feedback_ssrc: int = 0
    profile: int = 0


class SenderEnd(Protocol):
    """Frames of a track in, RTP packets out. Methods are called on the event loop's thread; none blocks or raises."""

    def on_frame(self, frame: VideoFrame) -> None:
        """The track gave this frame just now. It is sent, or dropped where it would be late."""
        ...

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """A feedback packet about this stream came; it may be malformed."""
        ...

    def stats(self) -> SenderStats:
        """Totals since the stream began."""
        ...

    async def drain(self) -> None:
        """Wait, a second at most, until what was captured has left."""
        ...

    async def close(self) -> None:
        """Stop, and wait (a bounded time) for the worker thread to end. Idempotent."""
        ...


class ReceiverEnd(Protocol):
    """RTP packets in, frames and RTCP packets out. Methods as those of `SenderEnd`."""

    def receive_rtp(self, data: bytes) -> None:
        """An RTP packet of this stream came; it may be malformed."""
        ...

    def stats(self) -> ReceiverStats:
        """Totals since the stream began."""
        ...

    async def close(self) -> None:
        """Stop, and wait (a bounded time) for the worker thread to end. Idempotent."""
        ...


class OpenSender(Protocol):
    """Starts a sender's end. `send` takes its RTP packets, on the event loop's thread, and never raises."""

    def __call__(self, stream: Stream, options: RtcOptions, send: Callable[[bytes], None]) -> SenderEnd: ...


class OpenReceiver(Protocol):
    """Starts a receiver's end. `send` takes its RTCP packets.

    `show` takes each decoded frame when it is due; its `pts` counts 1/90000 s from the first one."""

    def __call__(
        self, stream: Stream, options: RtcOptions, send: Callable[[bytes], None], show: Callable[[VideoFrame], None]
    ) -> ReceiverEnd: ...


class FindIdentity(Protocol):
    """The identity of a scheme. Raises an exception that says what to do where the scheme cannot be used live."""

    def __call__(self, scheme: str) -> Identity: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RtcOptions:
    """Options of all GRACE streams of this process.

    scheme: a row of SCHEMES that works live. controller: a row of CONTROLLERS, or package.module:Object.
    loss_control: the controller's answer to loss, by name; None: its default.
    start_bps, min_bps, max_bps: range of the media rate, in bit/s.
    max_size, max_fps: the largest frame and rate that are sent; larger frames are scaled down.
    adapt: lower size and rate where the machine cannot encode them in time.
    measured: (microseconds, pixels) of encoding a P-frame here; None: the sender measures with its first frames.
    observer: gets every event, on the event loop's thread; it must be quick, and what it raises is logged.
    open_sender, open_receiver, identity: the live ends, if not those of the entry-point group `grace_rtc.live`.

    Raises ValueError for rates out of order, and sizes or frame rates out of range."""

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
