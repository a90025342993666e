"""The events of a link, and mahimahi's log lines made of them. Sizes are charged bytes: UDP payload and 32 bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic

from grace_netsim.link.packet import Datagram
from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES


@dataclass(frozen=True, slots=True)
class LinkArrived:
    """A datagram came to the queue; if there is no room for it, LinkDropped follows."""

    at_us: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LinkDropped(Generic[Datagram]):
    """A packet was lost. `reason`: "oversized", the kind of the queue, or the name of the stage that lost it.

    `datagram` is the very one that was received."""

    at_us: int
    size_bytes: int
    reason: str
    datagram: Datagram = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LinkDeparted:
    """A packet left the bottleneck, `queued_us` after its arrival; delay and stages are still to come."""

    at_us: int
    size_bytes: int
    queued_us: int


@dataclass(frozen=True, slots=True)
class LinkDelivered:
    """A packet came out at the far end, `latency_us` after its arrival."""

    at_us: int
    size_bytes: int
    latency_us: int


@dataclass(frozen=True, slots=True)
class LinkOpportunity:
    """A delivery opportunity of 1504 bytes passed, used or not (only at event level "all")."""

    at_us: int


LinkEvent = LinkArrived | LinkDropped[Datagram] | LinkDeparted | LinkDelivered | LinkOpportunity

QUEUE_REASONS = frozenset({"droptail", "drophead", "codel"})


def mahimahi_log(events: Iterable[LinkEvent[Datagram]], *, header: bool = True) -> Iterator[str]:
    """Lines as mm-link's --uplink-log has them, so that mm-throughput-graph and mm-delay-graph read them.

    Needs event level "all" for the capacity lines. Times count in milliseconds from the link's time 0."""
    if header:
        yield "# mahimahi mm-link log by grace-rtc"
        yield "# base timestamp: 0"
    dropped_at_us, packets, size_bytes = 0, 0, 0
    for event in events:
        if isinstance(event, LinkDropped):
            if event.reason in QUEUE_REASONS:
                dropped_at_us, packets, size_bytes = event.at_us, packets + 1, size_bytes + event.size_bytes
            continue
        if packets:  # one arrival that drops several is one line
            yield f"{dropped_at_us // 1_000} d {packets} {size_bytes}"
            packets, size_bytes = 0, 0
        if (line := _log_line(event)) is not None:
            yield line
    if packets:
        yield f"{dropped_at_us // 1_000} d {packets} {size_bytes}"


def _log_line(event: LinkArrived | LinkDeparted | LinkDelivered | LinkOpportunity) -> str | None:
    at_ms = event.at_us // 1_000
    match event:
        case LinkArrived():
            return f"{at_ms} + {event.size_bytes}"
        case LinkDeparted():
            return f"{at_ms} - {event.size_bytes} {at_ms - (event.at_us - event.queued_us) // 1_000}"
        case LinkOpportunity():
            return f"{at_ms} # {OPPORTUNITY_BYTES}"
        case LinkDelivered():
            return None
