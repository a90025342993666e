"""The outcome of one live call: its logs merged, what was shown compared with what was captured, and its stats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import BinaryIO, Final

import numpy as np

from grace_codec.evaluation.quality import psnr_db, ssim
from grace_codec.media import open_clip, split_i420
from grace_codec.media.geometry import MAX_SOURCE_SIDE_PX
from grace_codec.types import Plane, Planes
from grace_lab.errors import LogError
from grace_lab.log.events import FrameQuality
from grace_lab.log.merge import ProcessLogs, ShownFrame, merge, shown_frames
from grace_lab.log.schema import SessionLog
from grace_lab.metrics import measure
from grace_receiver.events import LossReason
from grace_rtc.demo.call import CallFiles
from grace_rtc.demo.settings import PLAIN, DemoSettings, title
from grace_rtc.errors import DemoError
from grace_sender.events import SkipReason
from grace_transport.event_log import Fact

Value = int | float | str | None
Stats = dict[str, Value]
"""Numbers of one call by name."""

TOO_SLOW: Final = frozenset({SkipReason.ENCODER_TOO_SLOW.value, LossReason.DECODER_TOO_SLOW.value})


@dataclass(frozen=True, slots=True)
class Sent:
    """The frame size and rate that a call ended with, and its codec profile."""

    width: int
    height: int
    fps: float
    profile: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call of the demo. `quality` is by frame id, of what was shown of the frame."""

    scheme: str
    files: CallFiles
    logs: ProcessLogs
    log: SessionLog
    shown: tuple[ShownFrame, ...]
    quality: Mapping[int, FrameQuality]
    sent: Sent

    @property
    def stats(self) -> Stats:
        """The stats of the call."""
        return stats_of(self.log, self.sent)

    def median_us(self, event: str, fact: str) -> int | None:
        """Median of what encoding or decoding took in this call; None where nobody measured it."""
        values = [found.integer(fact) for found in self.log.named(event)]
        return round(median(values)) if values else None


def outcome_of(settings: DemoSettings, scheme: str, files: CallFiles, clip: Path) -> Outcome:
    """Read, compare, merge. Raises DemoError where nothing was shown, LogError where a log is not usable."""
    logs = files.logs()
    shown = tuple(shown_frames(logs))
    if not shown:
        raise DemoError(
            f"{title(scheme)}: no frame reached the screen; {files.folder} has the logs and messages of all processes"
        )
    with open_clip(clip) as captured, ShownVideo(files.recording, logs.receiver) as video:
        quality = measured_quality(shown, video, captured.picture)
    sent = _sent(settings, scheme, logs)
    facts = _facts(settings, scheme, logs, sent)
    return Outcome(scheme, files, logs, merge(logs, facts, quality), shown, quality, sent)


def _sent(settings: DemoSettings, scheme: str, logs: ProcessLogs) -> Sent:
    """The newest operating point, or the settings if there was none."""
    (width, height), fps = settings.size, settings.fps
    for event in logs.sender.named("operating_point"):
        width, height, fps = event.integer("width"), event.integer("height"), event.number("fps") or fps
    return Sent(width, height, fps, _started(logs.sender, "profile") or scheme)


def _facts(settings: DemoSettings, scheme: str, logs: ProcessLogs, sent: Sent) -> dict[str, Fact]:
    """Of session_started. Plain schemes have the rate control of aiortc (REMB), whatever was asked for."""
    plain = scheme in PLAIN
    return {
        "scheme": scheme,
        "video": settings.video,
        "trace": settings.network,
        "fps": settings.fps,
        "width": settings.size[0],
        "height": settings.size[1],
        "seed": settings.seed,
        "cc": "aiortc" if plain else settings.cc,
        "loss_control": "aiortc" if plain else settings.controller().loss_control,
        "owd_ms": settings.owd_ms,
        "queue_packets": settings.queue,
        "seconds": settings.seconds,
        "service": "token-bucket",
        "loss": 0,
        "where": "live",
        "profile": sent.profile,
    }


def _started(log: SessionLog, fact: str) -> str:
    return next((event.text(fact) for event in log.named("process_started") if event.text(fact)), "")


def stats_of(log: SessionLog, sent: Sent) -> Stats:
    """The stats of one call, by their names in summary.json."""
    measured = measure(log)
    captured, skipped = measured["frames_captured"] or 0, measured["frames_skipped"] or 0
    return {
        "frames_captured": int(captured),
        "frames_sent": int(captured - skipped),
        "frames_rendered": int(measured["frames_rendered"] or 0),
        "partial_frames": int(measured["frames_partial"] or 0),
        "resyncs": int(measured["resyncs"] or 0),
        "frames_too_slow": frames_too_slow(log),
        **{name: _rounded(measured[name]) for name in _FLOATS},
        "fps": sent.fps,
        "width": sent.width,
        "height": sent.height,
        "profile": sent.profile,
    }


def frames_too_slow(log: SessionLog) -> int:
    """Frames that the encoder or the decoder had no time for, because the machine was busy."""
    left_out = [*log.named("frame_skipped"), *log.named("frame_lost")]
    return sum(event.text("reason") in TOO_SLOW for event in left_out)


_FLOATS: Final = (
    "non_rendered_ratio", "p50_delay_ms", "p98_delay_ms", "stall_ratio", "stalls_per_s", "ssim_db", "psnr_db",
    "bitrate_bps", "packet_loss_ratio",
)  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


class ShownVideo:
    """The frames that a receiver showed, read from its recording when they are asked for. Close it, or use `with`.

    The recording is raw I420, one frame after the other, each of the size that its line of the log says."""

    def __init__(self, path: Path, receiver: SessionLog) -> None:
        """Raises LogError if the recording is missing or the log's sizes make no sense."""
        self._path = path
        self._places = dict(_places(receiver))
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise LogError(
                f"{path}: the recording of shown frames cannot be read ({error.strerror or error})"
            ) from error

    def frame(self, index: int) -> Planes | None:
        """Frame `index`, or None if the recording ends before it, because its process was killed."""
        place = self._places.get(index)
        if place is None:
            return None
        offset, width, height = place
        self._file.seek(offset)
        data = self._file.read(width * height * 3 // 2)
        return split_i420(data, width, height) if len(data) == width * height * 3 // 2 else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> ShownVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _places(receiver: SessionLog) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """(index, (offset, width, height)) of each frame in the recording; index -1: shown, but not recorded."""
    offset, number = 0, 0
    for event in receiver.named("frame_shown"):
        index, width, height = (event.integer(name) for name in ("index", "width", "height"))
        if index == -1:
            continue
        sides = min(width, height), max(width, height)
        if index != number or sides[0] < 2 or sides[1] > MAX_SOURCE_SIDE_PX or width % 2 or height % 2:
            raise LogError(f"frame {number} of the receiver's log is number {index}, {width}x{height}: damaged")
        yield index, (offset, width, height)
        offset += width * height * 3 // 2
        number += 1


def measured_quality(
    shown: Iterable[ShownFrame], video: ShownVideo, captured: Callable[[int], Planes]
) -> dict[int, FrameQuality]:
    """frame_id -> quality of what was shown of it, at the size at which it was captured, as a viewer sees it.

    `captured(source_frame)` gives a frame of the clip."""
    found: dict[int, FrameQuality] = {}
    for frame in shown:
        planes = video.frame(frame.index)
        if planes is not None:
            sent = captured(frame.captured.source_frame)[0]
            luma = scaled(planes[0], sent.shape[1], sent.shape[0])
            found[frame.captured.frame_id] = FrameQuality(ssim(sent, luma), psnr_db(sent, luma))
    return found


def scaled(plane: Plane, width: int, height: int) -> Plane:
    """The plane at that size, as a player scales (bicubic); itself where it has it already."""
    if plane.shape == (height, width):
        return plane
    import cv2

    cv2.setNumThreads(1)
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def scaled_planes(planes: Planes, width: int, height: int) -> Planes:
    """All three planes at that size, both sides even."""
    y, u, v = planes
    return scaled(y, width, height), scaled(u, width // 2, height // 2), scaled(v, width // 2, height // 2)
