"""Smoothness: gaps of more than 200 ms between frames on the screen (paper 5.1, Metrics).

Only frames in time (400 ms) count as shown. The clock of the screen starts with the first picture, at the latest
400 ms after the first capture, and runs for the length of the video: a call that freezes before its end stalls.
The time of a stall is the whole gap, as in WebRTC's totalFreezesDuration.
"""

from __future__ import annotations

from itertools import pairwise

from grace_netsim.log import SessionLog
from grace_netsim.metrics.frames import LATE_US, frame_outcomes, video_length_us

STALL_US = 200_000


def stalls(log: SessionLog) -> list[tuple[int, int]]:
    """All stalls as (begin_us, end_us) of the call's clock."""
    frames = frame_outcomes(log)
    if not frames:
        return []
    shown = sorted(f.rendered_us for f in frames if f.in_time and f.rendered_us is not None)
    latest_start = frames[0].captured_us + LATE_US
    start = min([latest_start, *shown[:1]])
    end = start + video_length_us(log, frames)
    instants = [start, *[at for at in shown if start <= at < end], end]
    return [(begin, until) for begin, until in pairwise(instants) if until - begin > STALL_US]


def stalls_per_s(log: SessionLog) -> float | None:
    """Number of stalls per second of video."""
    length_us = video_length_us(log, frame_outcomes(log))
    return len(stalls(log)) / (length_us / 1e6) if length_us else None


def stall_ratio(log: SessionLog) -> float | None:
    """Stall time over video length, 0 to 1."""
    length_us = video_length_us(log, frame_outcomes(log))
    return sum(end - begin for begin, end in stalls(log)) / length_us if length_us else None
