"""Takes steps of the receiver's clock out of arrival times. Knows no rates.

Arrival times are of the receiver's clock. When that is set (NTP, a suspended laptop, a reference time that wraps), each
one-way delay changes by the step, and a step forward looks like a queue of seconds. The round trip tells them apart,
because it is measured with our clock alone: a packet cannot have waited longer on its way than its report took to
come back, less the shortest round trip. A claimed wait beyond that is a step forward. A delay below the shortest that
is known while the round trip is no shorter is a step backward. Either way the delay of the packet before goes on; ten
reports later the shortest delays before and after the step are compared, and what that guess was wrong by is taken out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from grace_transport.congestion.history import PacketResult

REPORTS = 10  # whose shortest delays are compared before and after a step
SLACK_US = 50_000  # the shortest round trip known may be too long by the wait of a first report; clocks drift


class ReceiverClock:
    """Feed every report's results before anything else looks at their arrival times."""

    def __init__(self) -> None:
        self._offset_us = 0  # added to arrival times
        self._shortest_us: int | None = None  # one-way delay with the least queue, in corrected time
        self._delay_us = 0  # of the packet before
        self._shortest_lately: deque[int] = deque(maxlen=REPORTS)  # of each report
        self._anchor_us: int | None = None  # the shortest delay before a step, until the step is known exactly
        self._round_trip_us: int | None = None  # the shortest, waits at the receiver included

    @property
    def offset_us(self) -> int:
        """The sum of all steps taken out so far."""
        return self._offset_us

    def corrected(self, results: Sequence[PacketResult], now_us: int) -> list[PacketResult]:
        """`results` in the order of the report, with arrival times that go on where the clock stepped."""
        corrected = [self._corrected(result, now_us) for result in results]
        delays_us = [r.arrived_us - r.sent_us for r in corrected if r.arrived_us is not None]
        if delays_us:
            self._shortest_lately.append(min(delays_us))
        if self._anchor_us is not None and len(self._shortest_lately) == REPORTS:
            self._offset_us += self._anchor_us - min(self._shortest_lately)
            self._anchor_us = None
        return corrected

    def _corrected(self, result: PacketResult, now_us: int) -> PacketResult:
        if result.arrived_us is None:
            return result
        round_trip_us = now_us - result.sent_us
        delay_us = result.arrived_us + self._offset_us - result.sent_us
        if self._shortest_us is None or self._round_trip_us is None:
            self._shortest_us, self._round_trip_us = delay_us, round_trip_us
        wait_us = delay_us - self._shortest_us
        longest_us = round_trip_us - self._round_trip_us
        if wait_us > max(longest_us, 0) + SLACK_US or wait_us < min(longest_us, 0) - SLACK_US:
            self._anchor_us = min(self._shortest_lately, default=self._delay_us)
            self._shortest_lately.clear()
            self._offset_us -= delay_us - self._delay_us
            delay_us = self._delay_us
        if self._anchor_us is not None:  # a guess too low must not count as a shorter path
            delay_us = max(delay_us, self._shortest_us)
        self._delay_us = delay_us
        self._shortest_us = min(self._shortest_us, delay_us)
        self._round_trip_us = min(self._round_trip_us, round_trip_us)
        return result if not self._offset_us else replace(result, arrived_us=delay_us + result.sent_us)
