"""Smoothness: gaps of more than 200 ms between frames on the screen (paper 5.1, Metrics).

Only frames in time (400 ms) count as shown. The time on the screen starts with the first frame, at the latest
400 ms after the first capture, and ends when the last captured frame would have been shown with the smallest delay of
the call, so that a call that freezes before its end stalls. The time of a stall is the whole gap (as WebRTC's
totalFreezesDuration has it).
"""

from __future__ import annotations

from itertools import pairwise

from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import LATE_US, frame_outcomes, video_length_us

STALL_US = 200_000


def stalls(log: SessionLog) -> list[tuple[int, int]]:
    """All stalls as (begin_us, end_us) of the call's clock."""
    frames = frame_outcomes(log)
    if not frames:
        return []
    shown = sorted(f.rendered_us for f in frames if f.in_time and f.rendered_us is not None)
    quickest_us = min((f.delay_us for f in frames if f.in_time and f.delay_us is not None), default=LATE_US)
    begin = min([frames[0].captured_us + LATE_US, *shown[:1]])
    end = frames[0].captured_us + video_length_us(log, frames) + quickest_us
    instants = [begin, *[at for at in shown if begin <= at < end], end]
    return [(start, until) for start, until in pairwise(instants) if until - start > STALL_US]


def stalls_per_s(log: SessionLog) -> float | None:
    """Number of stalls per second of video."""
    length_us = video_length_us(log, frame_outcomes(log))
    return len(stalls(log)) / (length_us / 1e6) if length_us else None


def stall_ratio(log: SessionLog) -> float | None:
    """Stall time over video length, 0 to 1."""
    length_us = video_length_us(log, frame_outcomes(log))
    return sum(end - begin for begin, end in stalls(log)) / length_us if length_us else None
