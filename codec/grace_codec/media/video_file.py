"""Reads video: every frame at its own time, converted to what the codec takes, damaged ones left out and counted.

Owns times, parts, rates and damage. Knows nothing of looping or keeping frames, and holds one frame at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from grace_codec.errors import ClipError
from grace_codec.media.audio import extract_audio
from grace_codec.media.convert import FrameConverter
from grace_codec.media.facts import VideoFacts, facts_of
from grace_codec.media.geometry import Size, check_size
from grace_codec.media.opening import (
    JUMP_S,
    MAX_FPS,
    MIN_FPS,
    STDIN,
    FrameRate,
    RawLayout,
    SourceOptions,
    check_file,
    clock_may_jump,
    film_stream,
    frame_rate,
    is_raw,
    open_container,
    raw_layout,
    stated_rates,
)
from grace_codec.types import Planes

if TYPE_CHECKING:
    import av

_CLOCK_SLACK_S: Final = 0.001
"""Containers round times to their clock (Matroska: 1 ms); a frame that is this much late is still on time."""


_SAME_SHAPE: Final = 0.02  # a change of the aspect ratio that nobody sees


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What to make of a source. None: as the source has it.

    size: (width, height) to scale to, both even; by default the displayed size, scaled to fit where it cannot be coded.
    fps: resampled, each output frame shows the newest source frame that is not later. start_s, duration_s: the part
    that is used; a built-in scene is 10 s long unless said otherwise. pix_fmt: the file holds raw frames of this
    format; then size and fps say what they are, and nothing is scaled or resampled."""

    size: Size | None = None
    fps: float | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    pix_fmt: str | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.pix_fmt is None:
            check_size(*self.size, "the wanted size")
        if self.fps is not None and not MIN_FPS <= self.fps <= MAX_FPS:
            raise ClipError(f"frame rate {self.fps:g}: give {MIN_FPS:g} to {MAX_FPS:g} frames per second")
        if not 0 <= self.start_s < 1e6:
            raise ClipError(f"start {self.start_s:g} s: give 0 or more seconds")
        if self.duration_s is not None and not 0 < self.duration_s < 1e6:
            raise ClipError(f"duration {self.duration_s:g} s: give more than 0 seconds")


@dataclass(frozen=True, slots=True)
class TimedPlanes:
    """A frame and when it is shown, in microseconds from the first one."""

    at_us: int
    planes: Planes


@dataclass(slots=True)
class Damage:
    """What could not be decoded, so far. `frames`: packets that gave no frame. `ended`: why reading ended early."""

    frames: int = 0
    ended: str = ""

    @property
    def text(self) -> str:
        """For people; empty where nothing was damaged."""
        what = "damaged frame" if self.frames == 1 else "damaged frames"
        parts = [f"{self.frames} {what} left out"] if self.frames else []
        return "; ".join([*parts, *([f"cut short: {self.ended}"] if self.ended else [])])


class VideoReader:
    """The frames of one source, in order, once. Memory does not grow with its length. Use it with `with`."""

    def __init__(self, source: str | Path, options: ClipOptions | None = None) -> None:
        """`source`: a file, or `-` for standard input. Reads up to the first frame.

        Raises ClipError (what, where, what to do next) for what is no readable video, or has no frame in the wanted
        part."""
        self._options = options = options or ClipOptions()
        self._path = str(source)
        self.name = "standard input" if self._path == STDIN else Path(source).name
        if self._path != STDIN:
            check_file(Path(source))
        self._is_pipe = self._path == STDIN or not Path(source).is_file()  # a FIFO, /dev/stdin
        if self._is_pipe and options.start_s:
            raise ClipError(f"{source}: a pipe has no part that could be skipped to; leave the start out")
        self._layout = self._raw_layout()
        self.rate = self._rate()
        self.fps = self.rate.mean if self._resampled is None else self._resampled
        self.damage = Damage()
        self.facts: VideoFacts | None = None
        self._origin_s = 0.0  # of the first frame of the part, on the clock of the container
        self._container = open_container(self._path, self._layout)
        try:
            self.stream = film_stream(self._container, self._path)
            if self._is_pipe and self._layout is None:
                self.rate = stated_rates(self.stream)
                self.fps = self._resampled or self.rate.mean
            size = None if self._layout is not None and self._layout.size == options.size else options.size
            self._converter = FrameConverter(size, self.stream.sample_aspect_ratio, by_size=self._layout is None)
            self._frames = self._read()
            self._first: TimedPlanes | None = next(self._frames, None)
        except BaseException:
            self._container.close()
            raise
        if self._first is None:
            self._container.close()
            raise ClipError(f"{source}: no frame in the wanted part; start earlier or give a longer clip")
        self.height, self.width = self._first.planes[0].shape

    def frames(self) -> Iterator[TimedPlanes]:
        """From the first on. Raises ClipError where nothing at all can be read on."""
        first, self._first = self._first, None
        if first is not None:
            yield first
        yield from self._frames

    @property
    def length_s(self) -> float | None:
        """How long the wanted part is, as far as the file states it."""
        import av

        options, stated = self._options, self._container.duration
        whole_s = None if stated is None else max(0.0, stated / av.time_base - options.start_s)
        if options.duration_s is None:
            return whole_s
        return options.duration_s if whole_s is None else min(whole_s, options.duration_s)

    def audio(self) -> IO[bytes] | None:
        """The sound of the wanted part as a Matroska file, its packets unchanged; None for raw frames, pipes and files
        without sound. Close it."""
        if self._is_pipe or self._layout is not None:
            return None
        return extract_audio(self._path, self._origin_s, self._options.duration_s)

    @property
    def scaling(self) -> str:
        """For people: what was done to the size of the source; empty where nothing was."""
        shown = self._converter.shown
        if shown is None or (shown[0] & ~1, shown[1] & ~1) == (self.width, self.height):
            return ""
        bent = abs(shown[0] * self.height / (shown[1] * self.width) - 1) > _SAME_SHAPE
        done = "stretched" if bent else "scaled"
        return f"{self.name}: {shown[0]}x{shown[1]} is {done} to {self.width}x{self.height}"

    def close(self) -> None:
        """Free the decoder. Idempotent."""
        self._frames.close()
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _resampled(self) -> float | None:
        """The rate to resample to."""
        fps = self._options.fps
        return None if fps is None or (self._layout is not None and self._layout.fps == fps) else fps

    def _raw_layout(self) -> RawLayout | None:
        options = self._options
        if not is_raw(self._path, options.pix_fmt):
            return None
        return raw_layout(self._path, SourceOptions(options.size, options.fps, options.pix_fmt))

    def _rate(self) -> FrameRate:
        if self._layout is not None:
            return FrameRate(self._layout.fps, self._layout.fps, self._layout.fps)
        return FrameRate(25.0, 25.0, 25.0) if self._is_pipe else frame_rate(self._path, None)

    def _read(self) -> Generator[TimedPlanes, None, None]:
        """Decode, pick by time, convert. A frame that is shown twice is converted once."""
        decoded = self._timed_frames()
        fps = self._resampled
        part = _as_they_come(decoded, self._options) if fps is None else _at_rate(decoded, self._options, fps)
        origin_us: int | None = None
        last: av.VideoFrame | None = None
        planes: Planes | None = None
        for at_us, frame in part:
            if self.facts is None:
                self.facts = facts_of(self._container, self.stream, frame, self.rate, self._layout is None)
            if frame is not last or planes is None:
                last, planes = frame, self._converter.planes(frame)
            origin_us = at_us if origin_us is None else origin_us
            yield TimedPlanes(at_us - origin_us, planes)

    def _timed_frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """(time from the beginning of the source in s, frame), later and later."""
        stream, start_s = self.stream, self._options.start_s
        stream.codec_context.thread_count = 1
        origin_s = None
        if start_s > 0 and stream.start_time is not None and stream.time_base is not None:
            origin_s = float(stream.start_time * stream.time_base)
        timeline = _Timeline(1 / self.rate.mean, JUMP_S if clock_may_jump(self._container) else float("inf"), origin_s)
        for frame in self._decoded() if origin_s is None else self._decoded_from(start_s + origin_s, origin_s):
            own_s = None if frame.pts is None else float(frame.time)
            at_s = timeline.at_s(own_s)
            if own_s is not None and at_s <= start_s + _CLOCK_SLACK_S:
                self._origin_s = own_s
            yield at_s, frame

    def _decoded_from(self, to_s: float, begin_s: float) -> Iterator[av.VideoFrame]:
        """Frames from the key frame before `to_s` on; from the very first where the container finds none."""
        self._seek(to_s)
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None or first.pts is None or float(first.time) > to_s:
            self.damage.frames = 0
            self._seek(begin_s)
            decoded, first = self._decoded(), None
        if first is not None:
            yield first
        yield from decoded

    def _seek(self, to_s: float) -> None:
        import av

        with suppress(av.FFmpegError, OSError):  # then it is read from where it is
            self._container.seek(int(to_s * av.time_base), backward=True)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Every frame that decodes. What does not is counted; ClipError where not one does."""
        import av

        failures = (av.FFmpegError, ValueError, OSError)  # a local: this may outlive the module at interpreter exit
        packets = self._container.demux(self.stream)
        count = 0
        while True:
            try:
                packet = next(packets, None)
            except failures as error:
                self.damage.ended = str(getattr(error, "strerror", None) or error)
                break
            if packet is None:
                break
            try:
                frames = packet.decode()
            except failures:
                self.damage.frames += 1
                continue
            count += len(frames)
            yield from (frame for frame in frames if isinstance(frame, av.VideoFrame))
        if count == 0 and (self.damage.ended or self.damage.frames):
            raise ClipError(f"{self._path}: no frame can be decoded ({self.damage.text}); copy or convert it again")


class _Timeline:
    """Presentation times that only go forward, from those that frames have.

    A file that was put together or cut begins its times anew, somewhere: then the next frame follows the last one after
    the interval before. So does a frame without a time."""

    def __init__(self, interval_s: float, longest_s: float, origin_s: float | None) -> None:
        """`longest_s`: a longer way to the next frame is a jump. `origin_s`: what counts as 0, by default the first
        frame."""
        self._interval_s, self._longest_s = interval_s, longest_s
        self._offset_s = None if origin_s is None else -origin_s
        self._last_s: float | None = None
        self._last_own_s: float | None = None

    def at_s(self, own_s: float | None) -> float:
        last_s = self._last_s
        if self._offset_s is None:
            self._offset_s = 0.0 if own_s is None else -own_s
        if own_s is None:
            at_s = 0.0 if last_s is None else last_s + self._interval_s
        elif last_s is None or self._last_own_s is None:
            at_s = own_s + self._offset_s
        else:
            step_s = own_s - self._last_own_s
            if step_s < 0 or step_s > self._longest_s:
                self._offset_s = last_s + self._interval_s - own_s
            elif 0 < step_s < JUMP_S:
                self._interval_s = step_s
            at_s = max(own_s + self._offset_s, last_s + 1e-6)
        self._last_s, self._last_own_s = at_s, own_s if own_s is not None else self._last_own_s
        return at_s


def _as_they_come(
    decoded: Iterable[tuple[float, av.VideoFrame]], options: ClipOptions
) -> Iterator[tuple[int, av.VideoFrame]]:
    end_s = float("inf") if options.duration_s is None else options.start_s + options.duration_s
    for at_s, frame in decoded:
        if at_s >= end_s - _CLOCK_SLACK_S:
            return
        if at_s >= options.start_s - _CLOCK_SLACK_S:
            yield round(at_s * 1e6), frame


def _at_rate(
    decoded: Iterable[tuple[float, av.VideoFrame]], options: ClipOptions, fps: float
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Output n shows the newest frame not later than start + n / fps; the last lasts as long as its forerunner."""
    wanted = float("inf") if options.duration_s is None else max(1, round(options.duration_s * fps))
    start_s, shown, gap_s = options.start_s, 0, 1 / fps
    held: tuple[float, av.VideoFrame] | None = None
    for at_s, frame in decoded:
        if held is None:
            start_s = max(start_s, at_s)
        else:
            gap_s = at_s - held[0]
        while held is not None and shown < wanted and start_s + shown / fps < at_s - _CLOCK_SLACK_S:
            yield round(shown * 1e6 / fps), held[1]
            shown += 1
        if shown >= wanted:
            return
        held = at_s, frame
    while held is not None and shown < wanted and start_s + (shown + 0.5) / fps <= held[0] + gap_s + _CLOCK_SLACK_S:
        yield round(shown * 1e6 / fps), held[1]
        shown += 1
