"""Measures how many packets a second a link moves, on the clock of the caller: wall time, or CPU time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from grace_netsim.link.link import EventLevel, Link, LinkConfig
from grace_netsim.link.packet import charged_bytes
from grace_netsim.link.stages import GilbertElliott, Jitter
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries

# Seconds, for differences only.
Clock = Callable[[], float]

# 12 Mbit/s every third millisecond: about 1 ms busy, 2 ms idle, as a cellular link alternates.
BURSTS = OpportunityTrace(tuple(at_ms for at_ms in range(3, 3_001, 3) for _ in range(3)))
QUIET = LinkConfig(trace=BURSTS, delay_us=100_000, events=EventLevel.NONE)

SCENARIOS: Mapping[str, LinkConfig] = {
    "trace": QUIET,
    "trace, events": replace(QUIET, events=EventLevel.PACKETS),
    "trace, codel": replace(QUIET, queue="codel"),
    "trace, loss and jitter": replace(QUIET, stages=(GilbertElliott.of_bursts(0.02, 3), Jitter(5_000, 2_000))),
    "rates": replace(QUIET, trace=None, rates=RateSeries((6_000_000, 12_000_000, 3_000_000, 9_000_000))),
    "constant rate": replace(QUIET, trace=None, rate_bps=9_000_000),
}


@dataclass(frozen=True, slots=True)
class LinkSpeed:
    """Of one scenario. `per_bare_loop` compares with handing the same packets through a deque in the same run."""

    packets_per_s: float
    per_bare_loop: float
    delivered: int
    dropped: int


def measure(config: LinkConfig, packets: int, payload_bytes: int, clock: Clock) -> LinkSpeed:
    """One packet each 1.1 ms: received, timer handled, everything due drained, next timer asked."""
    charged_bytes(payload_bytes)  # ValueError if it fits no link
    payload = bytes(payload_bytes)
    link = Link(config)
    began = clock()
    for now_us in range(0, packets * 1_100, 1_100):
        link.receive_datagram(payload, now_us)
        link.handle_timer(now_us)
        link.datagrams_to_send(now_us)
        while link.next_event() is not None:
            pass
        link.get_timer()
    seconds = clock() - began
    stats = link.stats()
    return LinkSpeed(
        packets / seconds,
        min(_bare_loop(packets, payload, clock) for _ in range(3)) / seconds,
        stats.delivered,
        sum(stats.dropped.values()),
    )


def _bare_loop(packets: int, payload: bytes, clock: Clock) -> float:
    """Seconds for the least that any link must do: what a machine's speed is measured against."""
    waiting: deque[tuple[bytes, int, int]] = deque()
    out: list[bytes] = []
    began = clock()
    for now_us in range(0, packets * 1_100, 1_100):
        waiting.append((payload, len(payload), now_us))
        out.append(waiting.popleft()[0])
    return clock() - began
