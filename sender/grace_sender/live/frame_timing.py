"""Times of a live track's frames: how many come in a second, when they were captured, which are let through.

Pure; knows only times in microseconds.
"""

from __future__ import annotations

from collections import deque
from typing import Final

RATE_WINDOW: Final = 16  # intervals
KNOWN_AFTER: Final = 4  # intervals
NEARLY: Final = 0.95
"""A rate this near to the most that may be sent counts as it, else a gate would drop a frame now and then."""
LONGEST_INTERVAL_US: Final = 12_000_000  # a longer one was a pause (a muted or replaced track)
LOWEST_FPS: Final = 0.1

LONGEST_WAY_US: Final = 1_000_000  # from capture to here, of a track whose times are of our clock
LATEST_US: Final = 2_000_000  # a frame that is later than this follows a pause or a restart of its track
OFFSET_WINDOW: Final = 16  # frames: longer than a stutter, short enough to follow a track whose clock drifts

LONGEST_GAP: Final = 4  # intervals: after a longer gap a gate begins anew
EARLY: Final = 0.25  # of an interval: a frame that is early by so much is on time


class FrameGate:
    """Thins a stream of frames to a lower rate: at most `fps` on average, as evenly as the source's times allow."""

    def __init__(self, fps: float) -> None:
        self._due_us: float | None = None
        self.set_fps(fps)

    def set_fps(self, fps: float) -> None:
        """Use this rate from now on. ValueError for a rate that is not above 0."""
        if not fps > 0:
            raise ValueError(f"frame rate {fps}: give more than 0")
        self._interval_us = 1_000_000 / fps

    def admits(self, captured_us: int) -> bool:
        """Whether the frame captured then is to be used."""
        if self._due_us is None or not abs(captured_us - self._due_us) <= LONGEST_GAP * self._interval_us:
            self._due_us = float(captured_us)  # the first, or after a gap
        if captured_us < self._due_us - EARLY * self._interval_us:
            return False
        self._due_us += self._interval_us
        return True


class SourceRate:
    """How many frames a track gives in a second, by the median of its newest intervals: single late frames do not
    count."""

    def __init__(self, max_fps: float) -> None:
        self._max_fps = max_fps
        self._intervals_us: deque[int] = deque(maxlen=RATE_WINDOW)
        self._last_us: int | None = None

    @property
    def known(self) -> bool:
        """Whether enough frames came to tell."""
        return len(self._intervals_us) >= KNOWN_AFTER

    @property
    def fps(self) -> float:
        """LOWEST_FPS to `max_fps`, which is also the answer before there are two intervals."""
        if len(self._intervals_us) < 2:
            return self._max_fps
        median_us = sorted(self._intervals_us)[len(self._intervals_us) // 2]
        fps = max(1_000_000 / max(median_us, 1), LOWEST_FPS)
        return self._max_fps if fps > NEARLY * self._max_fps else fps

    def on_frame(self, captured_us: int) -> None:
        """A frame was captured then."""
        if self._last_us is not None and 0 < captured_us - self._last_us < LONGEST_INTERVAL_US:
            self._intervals_us.append(captured_us - self._last_us)
        self._last_us = captured_us


class CaptureClock:
    """When frames were captured, on our clock, from the times that their track gives them.

    Tracks count from their start, evenly; that frames arrive late now and then is this machine's doing. So intervals
    are kept (recorders at the other end count on even ones), and the offset to our clock is the smallest of late.
    A track whose times are of our clock (CLOCK_MONOTONIC) is believed."""

    def __init__(self) -> None:
        self._offsets_us: deque[int] = deque(maxlen=OFFSET_WINDOW)
        self._last_own_us = 0
        self._last_us = -1

    def captured_us(self, own_us: int | None, now_us: int) -> int:
        """`own_us`: the frame's own time, None if it has none. Never in the future, each later than the last."""
        if own_us is None:
            captured_us = now_us
        elif 0 <= now_us - own_us <= LONGEST_WAY_US:
            captured_us = own_us
        else:
            captured_us = own_us + self._offset_us(own_us, now_us)
        self._last_us = max(captured_us, self._last_us + 1)
        return self._last_us

    def _offset_us(self, own_us: int, now_us: int) -> int:
        offsets, offset_us = self._offsets_us, now_us - own_us
        if offsets and (own_us <= self._last_own_us or offset_us > min(offsets) + LATEST_US):
            offsets.clear()
        offsets.append(offset_us)
        self._last_own_us = own_us
        return min(offsets)
