"""One call over time, as lists for the charts of a page. Their length is bounded, however long the call was."""

from __future__ import annotations

from collections.abc import Sequence

from grace_codec.evaluation.quality import ssim_to_db
from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import FrameOutcome, frame_outcomes
from grace_lab.metrics.stalls import stalls

Series = Sequence[float | None]
Timeline = dict[str, Series | Sequence[list[float]]]
"""Lists of one call by name, as `timeline` describes them."""

BIN_US = 100_000
MAX_MARKS = 500


def timeline(log: SessionLog, max_points: int = 1500) -> Timeline:
    """Times in s, rates in Mbit/s, queue in packets, delay in ms, SSIM in dB.

    `frame_*`: one point per frame, or per some frames with the longest delay and the worst SSIM of them. `unseen`:
    capture times of frames that were never shown or came late. `drops`, `resyncs`: times. `stalls`: [from, to]."""
    frames = frame_outcomes(log)
    groups = _groups(frames, max_points)
    capacity = [(event.at_us, event.integer("bps")) for event in log.named("link_capacity")]
    target = [(event.at_us, event.integer("bitrate_bps")) for event in log.named("rate_target")]
    queue = [(event.at_us, event.integer("packets")) for event in log.named("link_queue")]
    sent = _sending_rate(log)
    return {
        **_steps("capacity", capacity, max_points, 1e6),
        **_steps("target", target, max_points, 1e6),
        **_steps("sent", sent, max_points, 1e6),
        **_steps("queue", queue, max_points, 1),
        "frame_t": [_seconds(group[0].captured_us) for group in groups],
        "frame_delay": [_worst_delay(group) for group in groups],
        "frame_ssim": [_worst_ssim(group) for group in groups],
        "unseen": _thin([_seconds(frame.captured_us) for frame in frames if not frame.in_time]),
        "drops": _thin([_seconds(event.at_us) for event in log.named("packet_dropped")]),
        "resyncs": _thin([_seconds(event.at_us) for event in log.named("resync")]),
        "stalls": [[_seconds(begin), _seconds(end)] for begin, end in stalls(log)[:MAX_MARKS]],
    }


def _seconds(at_us: int) -> float:
    return round(at_us / 1e6, 3)


def _groups(frames: Sequence[FrameOutcome], max_points: int) -> list[Sequence[FrameOutcome]]:
    size = -(-len(frames) // max_points) or 1
    return [frames[start : start + size] for start in range(0, len(frames), size)]


def _worst_delay(group: Sequence[FrameOutcome]) -> float | None:
    delays = [frame.delay_us for frame in group if frame.delay_us is not None]
    return round(max(delays) / 1000, 1) if delays else None


def _worst_ssim(group: Sequence[FrameOutcome]) -> float | None:
    values = [frame.ssim for frame in group if frame.ssim is not None]
    return round(ssim_to_db(min(values)), 2) if values else None


def _sending_rate(log: SessionLog) -> list[tuple[int, int]]:
    """(start of a 100 ms bin, bit/s that the sender sent in it)."""
    bins: dict[int, int] = {}
    for event in log.named("packet_sent"):
        if event.text("kind") != "feedback":
            start = event.at_us // BIN_US
            bins[start] = bins.get(start, 0) + event.integer("bytes")
    if not bins:
        return []
    return [(start * BIN_US, bins.get(start, 0) * 8_000_000 // BIN_US) for start in range(max(bins) + 1)]


def _steps(name: str, points: Sequence[tuple[int, int]], max_points: int, unit: float) -> dict[str, Series]:
    """Changes of a value alone, at most `max_points` of them (the largest of neighbours where there are more)."""
    changes = [point for before, point in zip([(0, -1), *points], points, strict=False) if point[1] != before[1]]
    if points and changes[-1] != points[-1]:
        changes.append(points[-1])
    size = -(-len(changes) // max_points) or 1
    kept = [max(changes[start : start + size], key=lambda point: point[1]) for start in range(0, len(changes), size)]
    return {
        f"{name}_t": [_seconds(at_us) for at_us, _ in kept],
        name: [round(value / unit, 3) for _, value in kept],
    }


def _thin(times: list[float]) -> list[float]:
    step = -(-len(times) // MAX_MARKS) or 1
    return times[::step]
