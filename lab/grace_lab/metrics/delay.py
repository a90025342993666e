"""Realtimeness: how long frames took from capture to the screen, and how many never came.

A frame's encoding starts at its capture, as the paper counts, unless the encoder is busy: that wait counts, too."""

from __future__ import annotations

import math

from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import frame_outcomes


def p50_delay_ms(log: SessionLog) -> float | None:
    """Median frame delay of all frames that were shown, late ones included."""
    return _percentile_ms(log, 0.50)


def p98_delay_ms(log: SessionLog) -> float | None:
    """98th percentile of frame delay of all frames that were shown, late ones included (paper 5.1, Metrics)."""
    return _percentile_ms(log, 0.98)


def non_rendered_ratio(log: SessionLog) -> float | None:
    """Captured frames that were never shown or came later than 400 ms, over all captured frames."""
    frames = frame_outcomes(log)
    return sum(not frame.in_time for frame in frames) / len(frames) if frames else None


def startup_ms(log: SessionLog) -> float | None:
    """Milliseconds from the first capture to the first frame on the screen."""
    frames = frame_outcomes(log)
    shown = [frame.rendered_us for frame in frames if frame.rendered_us is not None]
    return (min(shown) - frames[0].captured_us) / 1000 if shown else None


def _percentile_ms(log: SessionLog, share: float) -> float | None:
    """Nearest-rank percentile: the smallest delay that at least `share` of the frames do not exceed."""
    delays = sorted(frame.delay_us for frame in frame_outcomes(log) if frame.delay_us is not None)
    return delays[max(0, math.ceil(share * len(delays)) - 1)] / 1000 if delays else None
