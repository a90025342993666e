"""What the plug-in and the two live ends know of each other: protocols and plain data. Knows no aiortc and no pixels.

The ends live in the sender's and the receiver's package, which transport must not import: `rtc.ends` finds them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from grace_transport.aiortc_plugin.stats import ReceiverStats, SenderStats

if TYPE_CHECKING:
    from grace_transport.aiortc_plugin.options import RtcOptions

Picture = Any
"""An `av.VideoFrame`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What both ends of a call must share; it stands in the SDP. `model`: weights and tables, 32 bits."""

    bitstream: int
    profile: int
    model: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One GRACE stream as negotiated. `feedback_ssrc`: under which the receiver reports."""

    ssrc: int
    payload_type: int
    transport_seq_id: int
    feedback_ssrc: int = 0
    profile: int = 0


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """What an observer gets: an event of a session or of the live end around it, on the event loop's thread.

    `end`: sender or receiver. `codec_us`: what encoding or decoding took, scaling included, for FrameEncoded and
    FrameDecoded. `event.at_us` is CLOCK_MONOTONIC in microseconds."""

    end: str
    ssrc: int
    event: Any
    codec_us: int | None = None


@dataclass(frozen=True, slots=True)
class CodecReady:
    """The codec was loaded on the worker thread, which took `took_us`."""

    at_us: int
    took_us: int


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """Something raised that must not: the call goes on without it. `what`: load, scale, encode, decode, session."""

    at_us: int
    what: str
    reason: str


class SenderEnd(Protocol):
    """Pictures in, RTP out through `send`. All methods are called on the event loop's thread; none blocks or raises."""

    def on_frame(self, picture: Picture) -> None: ...

    def receive_rtcp(self, data: bytes) -> None: ...

    def stats(self) -> SenderStats: ...

    async def drain(self) -> None:
        """Wait, a second at most, until what was captured has left."""
        ...

    async def close(self) -> None:
        """Stop, and wait (a bounded time) for the worker thread to end. Idempotent."""
        ...


class ReceiverEnd(Protocol):
    """RTP in, pictures out through `show`, RTCP out through `send`."""

    def receive_rtp(self, data: bytes) -> None: ...

    def stats(self) -> ReceiverStats: ...

    async def close(self) -> None: ...


class OpenSender(Protocol):
    """`send` takes RTP packets, on the event loop's thread, and never raises."""

    def __call__(self, stream: Stream, options: RtcOptions, send: Callable[[bytes], None]) -> SenderEnd: ...


class OpenReceiver(Protocol):
    """`show` takes (picture, pts relative to the first, in 1/90000 s); `send` RTCP packets."""

    def __call__(
        self, stream: Stream, options: RtcOptions, send: Callable[[bytes], None], show: Callable[[Picture], None]
    ) -> ReceiverEnd: ...


class FindIdentity(Protocol):
    """Who `scheme` is. Raises an exception that says what to do where it cannot be used live."""

    def __call__(self, scheme: str) -> Identity: ...
