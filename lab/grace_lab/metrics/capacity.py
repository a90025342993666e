"""How well a call used its link: sent over capacity, stalls that the link does not explain, recovery after a step up.

All of it needs the link's capacity, which the lab logs every 100 ms as `link_capacity`; without it the answer is None.
Live calls over the emulated network have it too where their log was merged with the trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import frame_outcomes, video_length_us
from grace_lab.metrics.stalls import STALL_US, stalls

PACKET_BITS = 1504 * 8  # one delivery opportunity of mahimahi: the largest packet
BEFORE, AFTER, WINDOW = 20, 50, 5  # steps of 100 ms: levels before and after a step up; where sent is compared
STEP_FACTOR = 1.5
MIN_STEP_BPS = 300_000  # smaller rises are noise
REACHED = 0.8  # of the capacity


@dataclass(frozen=True, slots=True)
class _Capacity:
    """The capacity in steps of `step_us` from time 0 on, in bits per second."""

    bps: tuple[int, ...]
    step_us: int

    def bits(self) -> list[float]:
        """Bits that the link can carry in each step."""
        return [rate * self.step_us / 1e6 for rate in self.bps]


def _capacity(log: SessionLog) -> _Capacity | None:
    samples = [(event.at_us, event.integer("bps")) for event in log.named("link_capacity")]
    if len(samples) < 2 or samples[1][0] <= samples[0][0]:
        return None
    return _Capacity(tuple(bps for _, bps in samples), samples[1][0] - samples[0][0])


def _sent_bits(log: SessionLog, capacity: _Capacity) -> list[float]:
    """Bits that the sender sent in each step of the capacity (media, retransmissions, padding; with headers)."""
    sent = [0.0] * len(capacity.bps)
    for event in log.named("packet_sent"):
        step = event.at_us // capacity.step_us
        if event.text("kind") != "feedback" and 0 <= step < len(sent):
            sent[step] += event.integer("bytes") * 8
    return sent


def utilisation(log: SessionLog) -> float | None:
    """Bits sent (media, retransmissions, padding; RTP headers included) over bits that the link could carry.

    What the queue then dropped counts as sent: read it together with `packet_loss_ratio`."""
    capacity = _capacity(log)
    carried = 0.0 if capacity is None else sum(capacity.bits())
    return sum(_sent_bits(log, capacity)) / carried if capacity is not None and carried else None


def outages(log: SessionLog) -> list[tuple[int, int]]:
    """Gaps of more than 200 ms in which the link cannot carry a single full packet, as (begin_us, end_us).

    The link counts as always busy: a packet begins where the one before it has left, and a gap is the time between
    two departures. Below 60 kbit/s every packet takes longer than 200 ms, so such a rate is an outage, too."""
    capacity = _capacity(log)
    return [] if capacity is None else list(_long_gaps(capacity))


def _long_gaps(capacity: _Capacity) -> Iterator[tuple[int, int]]:
    departed_us, owed_bits = 0.0, float(PACKET_BITS)
    for step, bps in enumerate(capacity.bps):
        at_us, end_us = float(step * capacity.step_us), float((step + 1) * capacity.step_us)
        while bps > 0 and at_us + owed_bits * 1e6 / bps <= end_us:
            at_us += owed_bits * 1e6 / bps
            if at_us - departed_us > STALL_US:
                yield round(departed_us), round(at_us)
            packet_us = PACKET_BITS * 1e6 / bps
            if packet_us <= STALL_US:  # no gap among the packets that still fit into the step: pass over them
                at_us += (end_us - at_us) // packet_us * packet_us
            departed_us, owed_bits = at_us, float(PACKET_BITS)
        owed_bits -= (end_us - at_us) * bps / 1e6
    end_us = float(len(capacity.bps) * capacity.step_us)
    if end_us - departed_us > STALL_US:
        yield round(departed_us), round(end_us)


def stall_beyond_outages_ratio(log: SessionLog) -> float | None:
    """Stall time that remains when the link's own gaps are taken away, over video length, 0 to 1.

    Of each stall the time counts in which the link was not in an outage (`outages`), seen from the screen: an outage
    shows there later by the smallest frame delay of the call."""
    frames = frame_outcomes(log)
    length_us = video_length_us(log, frames)
    if not length_us or _capacity(log) is None:
        return None
    path_us = min((frame.delay_us for frame in frames if frame.delay_us is not None), default=0)
    gaps = [(begin + path_us, end + path_us) for begin, end in outages(log)]
    remaining_us = sum(end - begin - _overlap_us((begin, end), gaps) for begin, end in stalls(log))
    return remaining_us / length_us


def _overlap_us(span: tuple[int, int], gaps: Sequence[tuple[int, int]]) -> int:
    return sum(max(min(span[1], end) - max(span[0], begin), 0) for begin, end in gaps)


def step_up_ms(log: SessionLog) -> float | None:
    """Mean time from a step up of the capacity until 80 % of it is sent over half a second; the start is a step, too.

    A step: the capacity of the next 5 s is 1.5 times that of the 2 s before, and at least 300 kbit/s more. One that is
    not reached counts until the capacity has fallen half-way back, or the call has ended. None: nothing to measure."""
    capacity = _capacity(log)
    if capacity is None:
        return None
    sent = list(accumulate(_sent_bits(log, capacity), initial=0.0))
    carried = list(accumulate(capacity.bits(), initial=0.0))
    times, step = [], 0
    while step + AFTER < len(carried):
        if _is_step_up(step, carried, capacity):
            times.append(_steps_to_reach(step, sent, carried))
            step += times[-1]
        step += 1
    return sum(times) / len(times) * capacity.step_us / 1e3 if times else None


def _mean(sums: Sequence[float], first: int, last: int) -> float:
    """Bits per step in steps first to last - 1, of their running sums; 0 where there are none."""
    first, last = max(first, 0), min(last, len(sums) - 1)
    return (sums[last] - sums[first]) / (last - first) if last > first else 0.0


def _is_step_up(step: int, carried: Sequence[float], capacity: _Capacity) -> bool:
    before, after = _mean(carried, step - BEFORE, step), _mean(carried, step, step + AFTER)
    begins = _mean(carried, step, step + WINDOW) >= REACHED * after  # else the rise itself comes later
    return begins and after >= STEP_FACTOR * before and after - before >= MIN_STEP_BPS * capacity.step_us / 1e6


def _steps_to_reach(start: int, sent: Sequence[float], carried: Sequence[float]) -> int:
    before, after = _mean(carried, start - BEFORE, start), _mean(carried, start, start + AFTER)
    for step in range(start + 1, len(carried)):
        window = max(step - WINDOW, start), step
        if _mean(sent, *window) >= REACHED * _mean(carried, *window) > 0 and step - start >= 2:
            return step - start
        if step - start >= AFTER and _mean(carried, step - BEFORE, step) < (before + after) / 2:
            return step - start
    return len(carried) - 1 - start
