"""Round-trip time from feedback, and the back-off when it is absurd. Knows no sequence numbers.

A report waits 50-250 ms at the receiver, so `now - sent` is too long for all but its newest packet. As libwebrtc
(`goog_cc_network_control.cc`) does, the wait between a packet's arrival and the report's last arrival is taken off, and
the smallest value of a report counts: what is left of the wait is less than one gap between packets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from grace_transport.congestion.history import Arrived

DEFAULT_RTT_US = 200_000  # before the first report (libwebrtc aimd_rate_control.cc, kDefaultRtt)
SMOOTHING = 0.125  # RFC 6298, section 2
FEEDBACK_WINDOW = 32  # reports (libwebrtc kMaxFeedbackRttWindow)
MAX_RTT_US = 60_000_000  # older packets are forgotten


class RoundTrip:
    """Several views of the round trip; libwebrtc uses each for something else."""

    def __init__(self) -> None:
        self._smoothed_us: float | None = None
        self._path_us = 0  # of the last report
        self._shortest_us: int | None = None
        self._feedback_us: deque[int] = deque(maxlen=FEEDBACK_WINDOW)
        self._reported_us: int | None = None
        self._last_sent_us = 0

    @property
    def smoothed_us(self) -> int:
        """The path alone, smoothed; 200 ms before the first report."""
        return DEFAULT_RTT_US if self._smoothed_us is None else int(self._smoothed_us)

    @property
    def path_us(self) -> int:
        """The path alone, as the last report shows it; 0 before the first."""
        return self._path_us

    @property
    def shortest_us(self) -> int:
        """The path with the least queue ever seen; 0 before the first report."""
        return self._shortest_us or 0

    @property
    def response_us(self) -> int:
        """Mean time from sending a report's oldest packet to the report: how fast anything can be answered at all."""
        return sum(self._feedback_us) // len(self._feedback_us) if self._feedback_us else DEFAULT_RTT_US

    @property
    def shortest_response_us(self) -> int:
        return min(self._feedback_us, default=DEFAULT_RTT_US)

    @property
    def corrected_us(self) -> int:
        """The path, and the time that we have been sending since the last report: grows when reports stay out.

        Sending nothing does not count (libwebrtc RttBasedBackoff::CorrectedRtt); 0 before the first report."""
        if self._reported_us is None:
            return 0
        return self._path_us + max(self._last_sent_us - self._reported_us, 0)

    def on_packet_sent(self, sent_us: int) -> None:
        self._last_sent_us = sent_us

    def on_arrived(self, packets: Sequence[Arrived], now_us: int) -> None:
        """`packets`: what one report says has arrived, in order of arrival."""
        if not packets:
            return
        last_us = packets[-1].arrived_us
        path_us = min(now_us - p.sent_us - (last_us - p.arrived_us) for p in packets)
        response_us = max(now_us - p.sent_us for p in packets)
        self._path_us = min(max(path_us, 0), MAX_RTT_US)
        self._shortest_us = self._path_us if self._shortest_us is None else min(self._shortest_us, self._path_us)
        self._feedback_us.append(min(max(response_us, 0), MAX_RTT_US))
        self._reported_us = now_us
        if self._smoothed_us is None:
            self._smoothed_us = float(self._path_us)
        self._smoothed_us += SMOOTHING * (self._path_us - self._smoothed_us)


@dataclass(frozen=True, slots=True)
class RttBackoff:
    """Cut the rate while the corrected round trip is over the limit (libwebrtc RttBasedBackoff, same defaults)."""

    limit_us: int = 3_000_000
    fraction: float = 0.8
    interval_us: int = 1_000_000
    floor_bps: int = 5_000
