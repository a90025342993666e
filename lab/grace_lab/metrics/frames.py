"""The outcome of each frame of a call, read once from its log. The metrics are arithmetic on these outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from grace_lab.log.schema import Event, SessionLog

LATE_US = 400_000
"""A frame shown later than this after its encoding began counts as not rendered (paper 5.1, Metrics)."""


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """One captured frame. Times are microseconds of the call's clock; None: that never happened.

    `received` of `total` packets were used by the decoder. `ssim` (0..1) and `psnr` (dB) are None without pixels."""

    frame_id: int
    captured_us: int
    skipped: bool = False
    sent_bytes: int | None = None
    sent_packets: int = 0
    received: int | None = None
    total: int = 0
    rendered_us: int | None = None
    delay_us: int | None = None
    ssim: float | None = None
    psnr: float | None = None

    @property
    def in_time(self) -> bool:
        """Shown, and not later than 400 ms."""
        return self.delay_us is not None and self.delay_us <= LATE_US


def frame_outcomes(log: SessionLog) -> tuple[FrameOutcome, ...]:
    """All captured frames in capture order. A frame that is shown twice counts with its first showing."""
    return _outcomes(log, len(log))


@lru_cache(maxsize=1)  # all metrics of a call ask for the same log, which only grows
def _outcomes(log: SessionLog, events: int) -> tuple[FrameOutcome, ...]:
    frames: dict[int, FrameOutcome] = {}
    for event in log.named("frame_captured"):
        frame_id = event.integer("frame_id")
        frames[frame_id] = FrameOutcome(frame_id, event.integer("captured_us"))
    for name, update in _UPDATES.items():
        for event in log.named(name):
            frame = frames.get(event.integer("frame_id"))
            if frame is not None:
                frames[frame.frame_id] = update(frame, event)
    return tuple(sorted(frames.values(), key=lambda frame: frame.captured_us))


def _skipped(frame: FrameOutcome, event: Event) -> FrameOutcome:
    return replace(frame, skipped=True)


def _encoded(frame: FrameOutcome, event: Event) -> FrameOutcome:
    return replace(frame, sent_bytes=event.integer("bytes"), sent_packets=event.integer("packets"))


def _decoded(frame: FrameOutcome, event: Event) -> FrameOutcome:
    return replace(frame, received=event.integer("received"), total=event.integer("total"))


def _rendered(frame: FrameOutcome, event: Event) -> FrameOutcome:
    if frame.rendered_us is not None:
        return frame
    return replace(
        frame,
        rendered_us=event.at_us,
        delay_us=event.integer("delay_us"),
        ssim=event.number("ssim"),
        psnr=event.number("psnr"),
    )


_UPDATES = {
    "frame_skipped": _skipped,
    "frame_encoded": _encoded,
    "frame_decoded": _decoded,
    "frame_rendered": _rendered,
}


def frame_interval_us(log: SessionLog) -> int:
    """Nominal time between frames, from the call's frame rate (25 fps where the log does not say)."""
    started = next(log.named("session_started"), None)
    fps = started.number("fps") if started is not None else None
    return round(1_000_000 / fps) if fps else 40_000


def video_length_us(log: SessionLog, frames: Sequence[FrameOutcome]) -> int:
    """Length of the captured video: first to last capture and one frame interval more; 0 without frames."""
    if not frames:
        return 0
    return frames[-1].captured_us - frames[0].captured_us + frame_interval_us(log)
