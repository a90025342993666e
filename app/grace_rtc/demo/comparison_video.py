"""Videos of a call: what the receiver showed, and what was sent and received side by side, at the times of the call.

A frame that stays on the screen for longer than a stall (200 ms) is marked as frozen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from grace_codec.evaluation.quality import ssim_to_db
from grace_codec.media import FrameConverter, VideoClip, open_clip
from grace_codec.media.colour import tag
from grace_codec.types import Planes
from grace_lab.log.merge import captured_frames
from grace_rtc.demo.outcome import Outcome, ShownVideo, scaled_planes
from grace_rtc.demo.settings import DemoSettings, title
from grace_rtc.errors import DemoError

if TYPE_CHECKING:
    import av

Image = npt.NDArray[np.uint8]
"""(height, width, 3), blue, green, red, as OpenCV orders them."""

FROZEN_US: Final = 200_000
"""A frame that is shown for longer than this is a stall (paper 5.1, Metrics)."""
LATE_US: Final = 400_000
VIDEO_FPS: Final = 25
PANEL_WIDTH_PX: Final = 480
BAR_PX: Final = 34
GAP_PX: Final = 6
WHITE: Final = (245, 245, 245)
GREY: Final = (170, 170, 170)
RED: Final = (60, 60, 235)
BACKGROUND: Final = 24
TIME_BASE: Final = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class Moment:
    """From `at_us` on, frame `index` is on the screen, captured `delay_us` before. `note` is written below it."""

    at_us: int
    index: int
    delay_us: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One column: `moments` in order of time; `frame(index)` is None where there are no pixels."""

    title: str
    moments: Sequence[Moment]
    frame: Callable[[int], Planes | None]
    live: bool = True  # False: the captured video itself, which has neither delay nor stalls


def write_received(path: Path, frames: Iterable[tuple[int, Planes]], size: tuple[int, int], length_us: int = 0) -> int:
    """A video of (time in us, frame): each is shown until the next comes, the last one until `length_us`.

    Returns the number of frames. Raises DemoError if it cannot be written or there is no frame."""
    width, height = size

    def timed() -> Iterator[tuple[int, av.VideoFrame]]:
        import av

        at_us, frame = 0, None
        for at_us, planes in frames:
            y, u, v = scaled_planes(planes, width, height)
            flat = np.concatenate([y.reshape(-1), u.reshape(-1), v.reshape(-1)])
            frame = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")
            yield at_us, frame
        if frame is not None and at_us < length_us:
            yield length_us, frame  # else a player would end with the beginning of a stall

    return _encode(path, timed(), width, height)


def write_side_by_side(path: Path, panels: Sequence[Panel], size: tuple[int, int], length_us: int) -> int:
    """All panels next to each other for `length_us`. Returns the number of frames. Raises DemoError on a disk error."""
    wide = PANEL_WIDTH_PX
    high = round(wide * size[1] / size[0] / 2) * 2
    width, height = len(panels) * wide + (len(panels) - 1) * GAP_PX, high + 2 * BAR_PX

    def timed() -> Iterator[tuple[int, av.VideoFrame]]:
        import av

        columns = [_Column(panel, (wide, high)) for panel in panels]
        gap = np.full((height, GAP_PX, 3), BACKGROUND, np.uint8)
        for number in range(max(1, length_us * VIDEO_FPS // 1_000_000)):
            at_us = number * 1_000_000 // VIDEO_FPS
            parts = [part for column in columns for part in (column.at(at_us), gap)][:-1]
            yield at_us, av.VideoFrame.from_ndarray(np.ascontiguousarray(np.hstack(parts)), format="bgr24")

    return _encode(path, timed(), width, height)


def write_videos(settings: DemoSettings, outcomes: list[Outcome], clip: Path, out: Path) -> None:
    """Write received.mp4 of the first scheme, and sidebyside.mp4 of the clip and all schemes. Raises DemoError."""
    with open_clip(clip) as captured:
        first = outcomes[0]
        with ShownVideo(first.files.recording, first.logs.receiver) as video:
            origin_us = _origin_us(settings, first)
            frames = (
                (shown.at_us - origin_us, planes)
                for shown in first.shown
                if (planes := video.frame(shown.index)) is not None
            )
            write_received(out / "received.mp4", frames, settings.size, round(settings.seconds * 1e6))
        videos = [ShownVideo(outcome.files.recording, outcome.logs.receiver) for outcome in outcomes]
        try:
            panels = [_captured_panel(settings, captured)]
            panels += [_panel(settings, outcome, video) for outcome, video in zip(outcomes, videos, strict=True)]
            write_side_by_side(out / "sidebyside.mp4", panels, settings.size, round(settings.seconds * 1e6))
        finally:
            for each in videos:
                each.close()


def _origin_us(settings: DemoSettings, outcome: Outcome) -> int:
    """When the clip began: earlier than the first capture if the sender let frames pass until it was ready."""
    first = min(captured_frames(outcome.logs.sender).values(), key=lambda capture: capture.captured_us)
    return first.captured_us - round(first.source_frame * 1e6 / settings.fps)


def _captured_panel(settings: DemoSettings, clip: VideoClip) -> Panel:
    moments = [Moment(round(number * 1e6 / settings.fps), number) for number in range(settings.frames)]
    return Panel("sent", moments, clip.picture, live=False)


def _panel(settings: DemoSettings, outcome: Outcome, video: ShownVideo) -> Panel:
    origin_us = _origin_us(settings, outcome)
    moments = []
    for shown in outcome.shown:
        quality = outcome.quality.get(shown.captured.frame_id)
        note = "" if quality is None else f"   SSIM {ssim_to_db(quality.ssim):.1f} dB"
        delay_us = shown.at_us - shown.captured.captured_us
        moments.append(Moment(shown.at_us - origin_us, shown.index, delay_us, note))
    return Panel(f"{title(outcome.scheme)}, received", moments, video.frame)


class _Column:
    """Draws one panel at rising times; the frame of the last moment is kept."""

    def __init__(self, panel: Panel, size: tuple[int, int]) -> None:
        self._panel = panel
        self._size = size
        self._times = [moment.at_us for moment in panel.moments]
        self._drawn: tuple[int, Image] | None = None

    def at(self, at_us: int) -> Image:
        """(bar, frame and bar; width; 3) as it stands at that time."""
        wide, high = self._size
        canvas = np.full((high + 2 * BAR_PX, wide, 3), BACKGROUND, np.uint8)
        _text(canvas, self._panel.title, (8, 23), WHITE, 0.6)
        position = bisect_right(self._times, at_us) - 1
        if position < 0:
            _text(canvas, "no frame yet", (8, high + BAR_PX + 23), GREY)
            return canvas
        moment = self._panel.moments[position]
        canvas[BAR_PX : BAR_PX + high] = self._image(moment.index)
        still_us = at_us - moment.at_us
        if self._panel.live and still_us > FROZEN_US:
            canvas[BAR_PX : BAR_PX + high] = _frozen(canvas[BAR_PX : BAR_PX + high])
            _text(canvas, f"FROZEN for {still_us / 1e6:.1f} s", (8, high + BAR_PX + 23), RED)
        elif self._panel.live:
            colour = RED if moment.delay_us > LATE_US else GREY
            _text(canvas, f"{moment.delay_us / 1000:.0f} ms late{moment.note}", (8, high + BAR_PX + 23), colour)
        else:
            _text(canvas, f"{at_us / 1e6:.1f} s{moment.note}", (8, high + BAR_PX + 23), GREY)
        return canvas

    def _image(self, index: int) -> Image:
        import cv2

        if self._drawn is None or self._drawn[0] != index:
            planes = self._panel.frame(index)
            if planes is None:
                drawn = np.zeros((self._size[1], self._size[0], 3), np.uint8)
            else:
                drawn = cv2.resize(_bgr(planes), self._size, interpolation=cv2.INTER_CUBIC)
            self._drawn = index, drawn
        return self._drawn[1]


def _bgr(planes: Planes) -> Image:
    import cv2

    cv2.setNumThreads(1)
    height, width = planes[0].shape
    flat = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    converted: Image = cv2.cvtColor(flat, cv2.COLOR_YUV2BGR_I420)
    return converted


def _frozen(image: Image) -> Image:
    """The image, darker and with a red border."""
    marked: Image = (image * 0.75).astype(np.uint8)
    for edge in (np.s_[:4], np.s_[-4:], np.s_[:, :4], np.s_[:, -4:]):
        marked[edge] = RED
    return marked


def _text(canvas: Image, text: str, place: tuple[int, int], colour: tuple[int, int, int], scale: float = 0.5) -> None:
    import cv2

    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _encode(path: Path, frames: Iterable[tuple[int, av.VideoFrame]], width: int, height: int) -> int:
    """Write (time in us, frame) as H.264 in MP4. Returns the number of frames."""
    import av

    count, last = 0, -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=VIDEO_FPS, options={"crf": "18", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = stream.time_base = TIME_BASE
            tag(stream.codec_context)
            converter = FrameConverter((width, height))
            for at_us, frame in frames:
                last = max(last + 1, at_us * 9 // 100)
                coded = converter.frame(frame)
                coded.pts, coded.time_base = last, TIME_BASE
                container.mux(stream.encode(coded))
                count += 1
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise DemoError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    if not count:
        path.unlink(missing_ok=True)
        raise DemoError(f"{path}: there is no frame to put into it")
    return count
