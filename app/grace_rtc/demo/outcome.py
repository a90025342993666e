"""What became of one live call: its logs merged, its pictures compared, its figures; everything after the call.

Owns putting these together. Refuses to know processes and pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from grace_codec.evaluation.quality import ssim_to_db
from grace_codec.media.clip import VideoClip, open_clip
from grace_lab.log.events import FrameQuality
from grace_lab.log.merge import ProcessLogs, Showing, captures, merge, showings
from grace_lab.log.schema import SessionLog
from grace_rtc.demo.call import CallFiles
from grace_rtc.demo.film import Moment, Panel, write_received, write_side_by_side
from grace_rtc.demo.record import PictureRecord, measured
from grace_rtc.demo.settings import PLAIN, DemoSettings, title
from grace_rtc.demo.summary import Figures, Sent, figures_of
from grace_rtc.errors import DemoError
from grace_transport.event_log import Fact


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call of the demo. `quality`: frame_id -> of the picture that was shown of it."""

    scheme: str
    files: CallFiles
    logs: ProcessLogs
    log: SessionLog
    shown: tuple[Showing, ...]
    quality: Mapping[int, FrameQuality]
    sent: Sent

    @property
    def figures(self) -> Figures:
        return figures_of(self.log, self.sent)

    def median_us(self, event: str, fact: str) -> int | None:
        """Median of what encoding or decoding took in this call; None where nobody measured it."""
        values = [found.integer(fact) for found in self.log.named(event)]
        return round(median(values)) if values else None


def outcome_of(settings: DemoSettings, scheme: str, files: CallFiles, clip: Path) -> Outcome:
    """Read, compare, merge. Raises DemoError where nothing was shown, LogError where a log is not usable."""
    logs = files.logs()
    shown = tuple(showings(logs))
    if not shown:
        raise DemoError(
            f"{title(scheme)}: no picture reached the screen; {files.folder} has the logs and messages of all processes"
        )
    with open_clip(clip) as captured, PictureRecord(files.record, logs.receiver) as record:
        quality = measured(shown, record, captured.picture)
    sent = _sent(settings, scheme, logs)
    facts = _facts(settings, scheme, logs, sent)
    return Outcome(scheme, files, logs, merge(logs, facts, quality), shown, quality, sent)


def _sent(settings: DemoSettings, scheme: str, logs: ProcessLogs) -> Sent:
    """What it ended with: the newest operating point, or what was asked for."""
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


def write_films(settings: DemoSettings, outcomes: list[Outcome], clip: Path, out: Path) -> None:
    """received.mp4 of the first scheme, sidebyside.mp4 of what was sent and all schemes. Raises DemoError."""
    with open_clip(clip) as captured:
        first = outcomes[0]
        with PictureRecord(first.files.record, first.logs.receiver) as record:
            origin_us = _origin_us(settings, first)
            pictures = (
                (showing.at_us - origin_us, planes)
                for showing in first.shown
                if (planes := record.picture(showing.index)) is not None
            )
            write_received(out / "received.mp4", pictures, settings.size, round(settings.seconds * 1e6))
        records = [PictureRecord(outcome.files.record, outcome.logs.receiver) for outcome in outcomes]
        try:
            panels = [_captured_panel(settings, captured)]
            panels += [_panel(settings, outcome, record) for outcome, record in zip(outcomes, records, strict=True)]
            write_side_by_side(out / "sidebyside.mp4", panels, settings.size, round(settings.seconds * 1e6))
        finally:
            for each in records:
                each.close()


def _origin_us(settings: DemoSettings, outcome: Outcome) -> int:
    """When the clip began: before the first capture, where a sender lets pictures pass until it is ready."""
    first = min(captures(outcome.logs.sender).values(), key=lambda capture: capture.captured_us)
    return first.captured_us - round(first.picture * 1e6 / settings.fps)


def _captured_panel(settings: DemoSettings, clip: VideoClip) -> Panel:
    moments = [Moment(round(number * 1e6 / settings.fps), number) for number in range(settings.frames)]
    return Panel("sent", moments, clip.picture, live=False)


def _panel(settings: DemoSettings, outcome: Outcome, record: PictureRecord) -> Panel:
    origin_us = _origin_us(settings, outcome)
    moments = []
    for showing in outcome.shown:
        quality = outcome.quality.get(showing.capture.frame_id)
        note = "" if quality is None else f"   SSIM {ssim_to_db(quality.ssim):.1f} dB"
        delay_us = showing.at_us - showing.capture.captured_us
        moments.append(Moment(showing.at_us - origin_us, showing.index, delay_us, note))
    return Panel(f"{title(outcome.scheme)}, received", moments, record.picture)
