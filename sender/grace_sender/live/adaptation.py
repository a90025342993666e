"""Which frame size and frame rate this machine and this bitrate can bear.

Pure policy: it is told encoding times, skipped frames and bitrates, and answers with an operating point. Refuses to
know clocks, codecs and pixels.

An encoding time is wall time on the encoder's thread: it decides whether the encoder is free for the next frame.
Another process that takes the processor for a moment makes it longer without the encoder being slow, so nothing is
concluded from a few frames. Overload is that over 1.5 s or more the *median* frame takes more than 80 % of the frame
interval, or that a tenth of the frames came while the encoder was busy. (libwebrtc's OveruseFrameDetector, for which
more than 85 % is too much, smooths for the same reason.) Once there is room, the point returns within seconds, at once
as far up as the median allows; each try that fails doubles the wait before the next (libwebrtc: 10 s, then doubled).

A bitrate is judged by the bits per pixel that it gives. Where they are too few, the frame rate falls at once, because a
lower one costs nothing: the budget of a frame is its share of a second. A smaller frame costs a key frame, so it waits
for two seconds of too little, unless there is less than 70 % of what its size needs at the lowest frame rate. Upwards
it goes as far as the bitrate of the last seconds allows with a quarter to spare, so that the saw teeth of congestion
control change nothing. (libwebrtc's QualityScaler does the same by the quantizer that it sees.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from grace_sender.events import SkipReason
from grace_sender.live.operating_points import Limits, OperatingPoint, ladder

__all__ = ["Adaptation", "EncoderSpeed", "Limits", "OperatingPoint", "OperatingPointChanged", "ladder"]

OVERLOAD: Final = 0.8  # of the frame interval, median
AIM: Final = 0.7  # what a lower point must be expected to need
RAISE: Final = 0.6  # what a higher point must be expected to need
WINDOW_US: Final = 3_000_000
SUSTAINED_US: Final = 1_500_000  # shorter evidence of overload is a busy moment
ENOUGH_ENCODES: Final = 8
MANY_SKIPS: Final = 3
SKIPPED_SHARE: Final = 0.1
WARM_UP_ENCODES: Final = 8  # at the start runtimes still prepare themselves, here and at a receiver on this machine
STALE_ENCODES: Final = 2  # after a change: frames of the old size are still on their way
FIRST_WAIT_US: Final = 3_000_000  # after a change; one window, so that nothing from before it counts
LONGEST_WAIT_US: Final = 3_600_000_000
PROBATION_US: Final = 30_000_000  # a higher point that is left sooner was a failed try
RICH: Final = 1.25  # times the bitrate wanted, before the point rises; one back-off of GCC's (0.85) is less
CLIFF: Final = 0.7  # of what a size needs at its lowest frame rate: with less, a key frame is worth it at once
SIZE_DOWN_US: Final = 2_000_000  # of too little, before the size falls, and from one change of size to the next
SIZE_UP_US: Final = 5_000_000  # the same upwards
HALF_AGAIN: Final = 0.5  # of the bitrate at the last change of size: with less, the next one need not wait


@dataclass(frozen=True, slots=True)
class EncoderSpeed:
    """Encoding a P-frame of `pixels` px takes `encode_us` microseconds here."""

    encode_us: int
    pixels: int

    @property
    def us_per_pixel(self) -> float:
        """Cost of a pixel, in microseconds."""
        return self.encode_us / max(self.pixels, 1)


@dataclass(frozen=True, slots=True)
class OperatingPointChanged:
    """`reason` is a sentence for people, with the new point in it."""

    at_us: int
    point: OperatingPoint
    reason: str


class Adaptation:
    """Picks a rung of the ladder below `source`. It starts at the top; `start` puts it where a calibration says."""

    def __init__(self, source: OperatingPoint, limits: Limits | None = None) -> None:
        """`source`: what the camera gives, the highest point. ValueError where it has no even size of 64 px or more."""
        self._limits = limits or Limits()
        self._ladder = ladder(source, self._limits)
        self._rung = 0
        self._encodes: deque[tuple[int, int]] = deque()  # when, how long
        self._skips: deque[int] = deque()
        self._bitrates: deque[tuple[int, int]] = deque()
        self._starved_from: int | None = None  # the rung before a low bitrate lowered it; the machine bore that one
        self._resized: tuple[int, int] | None = None  # when a bitrate last changed the size, and that bitrate
        self._stale = 0
        self._moved_us = 0
        self._tried_from: int | None = None  # the rung before, if the last change was upwards: on probation
        self._wait_us: dict[int, int] = {}  # after a change, before this rung is tried; where a try has failed
        self._events: deque[OperatingPointChanged] = deque()

    @property
    def point(self) -> OperatingPoint:
        """The present point."""
        return self._ladder[self._rung]

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """All points it may choose, the best first."""
        return self._ladder

    def next_event(self) -> OperatingPointChanged | None:
        """The oldest change that was not told yet, or None."""
        return self._events.popleft() if self._events else None

    def start(self, speed: EncoderSpeed, now_us: int) -> OperatingPoint:
        """Choose by a calibration of the encoder. Returns the point."""
        top = self._ladder[0]
        self._move(self._affordable(0, speed.us_per_pixel), now_us)
        self._stale = WARM_UP_ENCODES
        self._tell(f"encoder needs about {_of_interval(round(speed.us_per_pixel * top.pixels), top)} of {top}", now_us)
        return self.point

    def follow_source(self, fps: float, now_us: int) -> None:
        """The source gives another number of frames per second. The size stays, unless encoding would take too long."""
        before, top = self.point, self._ladder[0]
        per_pixel = self._typical_us() / before.pixels if len(self._encodes) >= ENOUGH_ENCODES else 0.0
        self._ladder = ladder(OperatingPoint(top.width, top.height, fps), self._limits)
        self._wait_us.clear()
        same_size = self._first(0, lambda point: point.pixels <= before.pixels)
        self._move(self._affordable(same_size, per_pixel), now_us)
        self._tell(f"the source gives {fps:.3g} fps", now_us)

    def on_encoded(self, encode_us: int, now_us: int) -> None:
        """A frame at the present point took so long to encode, making its reference included."""
        if self._stale:
            self._stale -= 1
            return
        self._encodes.append((now_us, max(encode_us, 0)))
        self._decide(now_us)

    def on_skipped(self, reason: SkipReason, now_us: int) -> None:
        """A frame was not encoded. Only what is this machine's fault counts."""
        if reason is SkipReason.ENCODER_TOO_SLOW and not self._stale:
            self._skips.append(now_us)
            self._decide(now_us)

    def on_bitrate(self, bitrate_bps: int, now_us: int) -> None:
        """The network gives so much; call it at every change and now and then."""
        self._bitrates.append((now_us, max(bitrate_bps, 0)))
        self._forget_bitrates(now_us)
        self._decide(now_us)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _decide(self, now_us: int) -> None:
        self._forget(now_us)
        if self._tried_from is not None and now_us - self._moved_us >= PROBATION_US:
            self._wait_us.pop(self._rung, None)
            self._tried_from = None
        if (why := self._overload()) is not None:
            self._lower(why, now_us)
        elif (rung := self._lower_rung_for_bitrate(now_us)) is not None:
            self._lower_for_bitrate(rung, now_us)
        elif (rung := self._higher(now_us)) is not None:
            self._raise(rung, now_us)

    def _forget(self, now_us: int) -> None:
        """Keep the window of encoding times, but at least as many as a decision needs."""
        oldest_us = now_us - WINDOW_US
        while len(self._encodes) > ENOUGH_ENCODES and self._encodes[0][0] < oldest_us:
            self._encodes.popleft()
        while self._skips and self._skips[0] < oldest_us:
            self._skips.popleft()

    def _forget_bitrates(self, now_us: int) -> None:
        """Keep those that were in force at any time in the last SIZE_UP_US."""
        while len(self._bitrates) > 1 and self._bitrates[1][0] <= now_us - SIZE_UP_US:
            self._bitrates.popleft()

    def _overload(self) -> str | None:
        """What is wrong with the present point, or None."""
        point, skips, encodes = self.point, len(self._skips), len(self._encodes)
        judged = encodes >= ENOUGH_ENCODES and self._encodes[-1][0] - self._encodes[0][0] >= SUSTAINED_US
        if judged and self._typical_us() > OVERLOAD * point.interval_us:
            return f"encoder needs {_of_interval(self._typical_us(), point)}"
        many = skips >= MANY_SKIPS and self._skips[-1] - self._skips[0] >= SUSTAINED_US
        if many and skips >= SKIPPED_SHARE * (skips + encodes):
            return f"{skips} of {skips + encodes} frames came while the encoder was busy"
        return None

    def _lower_rung_for_bitrate(self, now_us: int) -> int | None:
        """The rung that a bitrate too low for the present one asks for, as far as it may change now, or None.

        A lower frame rate costs nothing and answers at once. A smaller size waits for SIZE_DOWN_US of evidence, unless
        the bitrate is so far below what the present size needs that a key frame is the smaller evil."""
        if not self._bitrates or self._bitrates[-1][1] >= self._wanted_bps(self.point):
            return None
        newest_bps = self._bitrates[-1][1]
        last = self._last_of_size()
        wanted = self._first(self._rung, lambda point: self._wanted_bps(point) <= newest_bps)
        rung = wanted if wanted <= last or self._may_shrink(self._wanted_bps(self._ladder[last]), now_us) else last
        return rung if rung > self._rung else None

    def _last_of_size(self) -> int:
        """The rung of the present size with the lowest frame rate."""
        return max(rung for rung, point in enumerate(self._ladder) if point.pixels == self.point.pixels)

    def _may_shrink(self, least_bps: float, now_us: int) -> bool:
        """Whether a smaller size is due: `least_bps` is what the present size needs at its lowest frame rate."""
        newest_bps, since_us = self._bitrates[-1][1], now_us - SIZE_DOWN_US
        rested = self._resized is None or self._resized[0] <= since_us
        if newest_bps < CLIFF * least_bps:
            return rested or (self._resized is not None and newest_bps < HALF_AGAIN * self._resized[1])
        return rested and self._bitrates[0][0] <= since_us and max(self._in_force(since_us)) < least_bps

    def _in_force(self, since_us: int) -> Iterator[int]:
        """Bitrates that were in force at any time from `since_us` on."""
        for index, (_, bps) in enumerate(self._bitrates):
            if index + 1 == len(self._bitrates) or self._bitrates[index + 1][0] > since_us:
                yield bps

    def _lower(self, why: str, now_us: int) -> None:
        if self._rung == len(self._ladder) - 1:
            return
        lowest = self._rung + 1
        if self._tried_from is not None:  # the try failed: back to where it was good
            lowest = self._tried_from
            self._back_off()
        elif self._encodes:
            lowest = self._affordable(lowest, self._typical_us() / self.point.pixels)
        self._move(lowest, now_us)
        self._tell(why, now_us)

    def _back_off(self) -> None:
        """This rung was too much, and so are those above it: wait twice as long before they are tried again."""
        wait_us = min(2 * self._wait_for(self._rung), LONGEST_WAIT_US)
        for rung in range(self._rung + 1):
            self._wait_us[rung] = max(wait_us, self._wait_for(rung))

    def _lower_for_bitrate(self, rung: int, now_us: int) -> None:
        before, best = self.point, self._rung if self._starved_from is None else self._starved_from
        self._move(rung, now_us)
        self._starved_from = best
        self._note_size(before, now_us)
        self._tell(f"{self._bitrates[-1][1] / 1000:.0f} kbit/s are too few for {before}", now_us)

    def _higher(self, now_us: int) -> int | None:
        """The highest rung above the present one that may be tried and is expected to leave room, or None."""
        if len(self._encodes) < ENOUGH_ENCODES or self._skips:
            return None
        us_per_pixel = self._typical_us() / self.point.pixels
        for rung, point in enumerate(self._ladder[: self._rung]):
            waited = now_us - self._moved_us >= self._wait_for(rung)
            roomy = us_per_pixel * point.pixels <= RAISE * point.interval_us
            if waited and roomy and self._is_rich(point, now_us):
                return rung
        return None

    def _is_rich(self, point: OperatingPoint, now_us: int) -> bool:
        """Whether the bitrate was more than enough for `point`, for a whole window; longer where the size changes."""
        if not self._bitrates:
            return True
        grows = point.pixels != self.point.pixels
        if grows and self._resized is not None and now_us - self._resized[0] < SIZE_UP_US:
            return False
        since_us = now_us - (SIZE_UP_US if grows else WINDOW_US)
        return min(self._in_force(since_us)) >= RICH * self._wanted_bps(point)

    def _raise(self, rung: int, now_us: int) -> None:
        before, best = self.point, self._starved_from
        good = self._rung if best is None else best
        why = f"encoder needs only {_of_interval(self._typical_us(), before)}"
        self._move(rung, now_us)
        if best is not None:
            why = f"{self._bitrates[-1][1] / 1000:.0f} kbit/s are enough again"
            self._starved_from = best if rung > best else None
            self._note_size(before, now_us)
        self._tried_from = good if rung < good else None
        self._tell(why, now_us)

    def _note_size(self, before: OperatingPoint, now_us: int) -> None:
        if self.point.pixels != before.pixels:
            self._resized = now_us, self._bitrates[-1][1]

    def _move(self, rung: int, now_us: int) -> None:
        self._rung = rung
        self._encodes.clear()
        self._skips.clear()
        self._stale = STALE_ENCODES
        self._tried_from = self._starved_from = None
        self._moved_us = now_us

    def _tell(self, why: str, now_us: int) -> None:
        self._events.append(OperatingPointChanged(now_us, self.point, f"{why}: {self.point}"))

    def _wait_for(self, rung: int) -> int:
        return self._wait_us.get(rung, FIRST_WAIT_US)

    def _typical_us(self) -> int:
        """Median of the encoding times at hand (the higher one of the two in the middle)."""
        times = sorted(us for _, us in self._encodes)
        return times[len(times) // 2]

    def _affordable(self, highest: int, us_per_pixel: float) -> int:
        """The first rung from `highest` on that is expected to leave room, else the last."""
        return self._first(highest, lambda point: us_per_pixel * point.pixels <= AIM * point.interval_us)

    def _first(self, highest: int, good: Callable[[OperatingPoint], bool]) -> int:
        last = len(self._ladder) - 1
        return next((rung for rung in range(highest, last + 1) if good(self._ladder[rung])), last)

    def _wanted_bps(self, point: OperatingPoint) -> float:
        return self._limits.min_bits_per_pixel * point.pixels * point.fps


def _of_interval(encode_us: int, point: OperatingPoint) -> str:
    return f"{encode_us / 1000:.0f} ms of {point.interval_us / 1000:.0f} ms per frame"
