"""Thins a stream of pictures to a lower rate: which of them are let through. Pure; knows only capture times."""

from __future__ import annotations


class FrameGate:
    """Lets pictures through at most at `fps` on average, as evenly as the times of the source allow."""

    def __init__(self, fps: float) -> None:
        self._due_us: float | None = None
        self.set_fps(fps)

    def set_fps(self, fps: float) -> None:
        if not fps > 0:
            raise ValueError(f"frame rate {fps}: give more than 0")
        self._interval_us = 1_000_000 / fps

    def admits(self, captured_us: int) -> bool:
        """Whether the picture captured then is to be used. A quarter of an interval early is on time."""
        if self._due_us is None or not abs(captured_us - self._due_us) <= 4 * self._interval_us:
            self._due_us = float(captured_us)  # the first, or after a gap
        if captured_us < self._due_us - self._interval_us / 4:
            return False
        self._due_us += self._interval_us
        return True
