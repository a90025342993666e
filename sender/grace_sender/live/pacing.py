"""What a live track really gives: how many pictures per second, and when they were taken. Pure; knows only times."""

from __future__ import annotations

from collections import deque

WINDOW = 16  # intervals
ENOUGH = 4
NEARLY = 0.95
LONGEST_WAY_US = 1_000_000  # from capture to here, of a track whose times are of our clock
LATEST_US = 2_000_000  # later than this the track has paused, or has begun anew
WINDOW_PICTURES = 16  # longer than a stutter, short enough to follow a track that counts slower than it comes
LONGEST_US = 2_000_000  # a longer gap was a pause (a muted or replaced track)


class SourceRate:
    """Median interval of the newest pictures: single late ones do not count."""

    def __init__(self, max_fps: float) -> None:
        self._max_fps = max_fps
        self._intervals_us: deque[int] = deque(maxlen=WINDOW)
        self._last_us: int | None = None

    @property
    def known(self) -> bool:
        return len(self._intervals_us) >= ENOUGH

    @property
    def fps(self) -> float:
        """At most `max_fps`, which is also the answer before enough pictures came; 1 at least."""
        if not self.known:
            return self._max_fps
        middle_us = sorted(self._intervals_us)[len(self._intervals_us) // 2]
        fps = max(1_000_000 / max(middle_us, 1), 1.0)
        return self._max_fps if fps > NEARLY * self._max_fps else fps  # else a gate would drop a picture now and then

    def on_frame(self, captured_us: int) -> None:
        if self._last_us is not None and 0 < captured_us - self._last_us < LONGEST_US:
            self._intervals_us.append(captured_us - self._last_us)
        self._last_us = captured_us


class CaptureClock:
    """When pictures were taken, on our clock, from the times that their track gives them.

    Tracks count from their start, evenly; that pictures arrive late now and then is this machine's doing. So intervals
    are kept (recorders at the other end count on even ones), and the offset to our clock is the smallest of late.
    A track whose times are of our clock (CLOCK_MONOTONIC) is believed."""

    def __init__(self) -> None:
        self._offsets_us: deque[int] = deque(maxlen=WINDOW_PICTURES)
        self._last_own_us = 0
        self._last_us = -1

    def captured_us(self, own_us: int | None, now_us: int) -> int:
        """`own_us`: the picture's own time, None if it has none. Never in the future, each later than the last."""
        if own_us is None:
            captured_us = now_us
        elif 0 <= now_us - own_us <= LONGEST_WAY_US:
            captured_us = own_us
        else:
            captured_us = own_us + self._follow(own_us, now_us)
        self._last_us = max(captured_us, self._last_us + 1)
        return self._last_us

    def _follow(self, own_us: int, now_us: int) -> int:
        offsets, offset_us = self._offsets_us, now_us - own_us
        if offsets and (own_us <= self._last_own_us or offset_us > min(offsets) + LATEST_US):
            offsets.clear()
        offsets.append(offset_us)
        self._last_own_us = own_us
        return min(offsets)
