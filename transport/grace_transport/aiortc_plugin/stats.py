"""Statistics of a GRACE stream for `getStats`: names of the W3C's webrtc-stats, and GRACE's own beside them."""

# ruff: noqa: N815 (names as in the standard)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, make_dataclass
from functools import cache
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class SenderStats:
    """W3C names (RTCOutboundRtpStreamStats; availableOutgoingBitrate is of RTCIceCandidatePairStats), then GRACE's.

    iPatches: I-patches that were sent. resyncs: frames coded against a re-derived reference."""

    framesEncoded: int = 0
    framesSent: int = 0
    framesDropped: int = 0
    keyFramesEncoded: int = 0
    totalEncodeTime: float = 0.0
    frameWidth: int = 0
    frameHeight: int = 0
    framesPerSecond: float = 0.0
    targetBitrate: int = 0
    availableOutgoingBitrate: int = 0
    retransmittedPacketsSent: int = 0
    retransmittedBytesSent: int = 0
    roundTripTime: float = 0.0
    resyncs: int = 0
    iPatches: int = 0
    keyFramesForced: int = 0


@dataclass(frozen=True, slots=True)
class ReceiverStats:
    """W3C names (RTCInboundRtpStreamStats), then GRACE's.

    partialFrames: frames decoded from a part of their packets. resyncs: returns to the sender's reference.
    iPatches: I-patches that were decoded."""

    framesReceived: int = 0
    framesDecoded: int = 0
    framesRendered: int = 0
    framesDropped: int = 0
    keyFramesDecoded: int = 0
    totalDecodeTime: float = 0.0
    frameWidth: int = 0
    frameHeight: int = 0
    framesPerSecond: float = 0.0
    freezeCount: int = 0
    totalFreezesDuration: float = 0.0
    partialFrames: int = 0
    resyncs: int = 0
    iPatches: int = 0
    keyFramesRequested: int = 0


class StatsReport(Protocol):
    """An `aiortc.RTCStatsReport`, as far as it is needed here: entries are dataclasses with a `type`."""

    def values(self) -> Iterable[Any]:
        """All entries."""
        ...

    def add(self, stats: Any) -> None:
        """Add an entry, in place of one with the same id."""
        ...


Report = TypeVar("Report", bound=StatsReport)


def extend(report: Report, of_type: str, stats: SenderStats | ReceiverStats | None) -> Report:
    """Give the entries of `of_type` (as `outbound-rtp`) the fields of `stats` on top of their own; None adds nothing.

    An entry that was extended before gets the new values. `report` is changed in place and returned."""
    if stats is not None:
        added: Any = type(stats)
        for entry in [entry for entry in report.values() if entry.type == of_type]:
            own = _own_type(type(entry))
            values = {field.name: getattr(entry, field.name) for field in fields(own)}
            report.add(_extended_type(own, added)(**values | asdict(stats)))
    return report


@cache
def _extended_type(base: type, added: type) -> type:
    """A dataclass that is a `base` with the fields of `added`."""
    names = [(field.name, field.type) for field in fields(added)]
    extended: Any = make_dataclass(f"Grace{base.__name__}", names, bases=(base,))
    extended.grace_extends = base
    return extended  # type: ignore[no-any-return]


def _own_type(of: type) -> Any:
    """aiortc's own type of an entry, whether it was extended or not."""
    return getattr(of, "grace_extends", of)
