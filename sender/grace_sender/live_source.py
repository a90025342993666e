"""How many pictures per second a track really gives. Pure; knows only times."""

from __future__ import annotations

from collections import deque

WINDOW = 16  # intervals
ENOUGH = 4
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
        return min(max(1_000_000 / max(middle_us, 1), 1.0), self._max_fps)

    def on_picture(self, captured_us: int) -> None:
        if self._last_us is not None and 0 < captured_us - self._last_us < LONGEST_US:
            self._intervals_us.append(captured_us - self._last_us)
        self._last_us = captured_us
