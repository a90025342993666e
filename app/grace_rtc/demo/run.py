"""The whole demo: a clip, a call for each scheme, then the videos, the stats and one page.

It reports its progress through `Display`, and leaves everything in one folder.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from grace_lab.log.file import write_log
from grace_lab.matrix import ROW_METRICS, Row, check_outputs
from grace_lab.metrics import measure
from grace_lab.report import write_provenance, write_report
from grace_lab.report.agreement import Compared, compared, pairs
from grace_lab.report.results import read_run
from grace_rtc.demo.agreement import run_twin
from grace_rtc.demo.call import CLIP, NETWORK, make_clip, run_call, write_network
from grace_rtc.demo.comparison_video import write_videos
from grace_rtc.demo.outcome import Outcome, Stats, outcome_of
from grace_rtc.demo.settings import PLAIN, DemoSettings, title
from grace_rtc.demo.summary import summary, verdict, warning
from grace_rtc.errors import DemoError


class Display(Protocol):
    """Shows the progress of a demo."""

    def step(self, name: str, total: float | None) -> None:
        """Begin a step, which ends the one before. `total`: how much there is to do; None: not known."""
        ...

    def update(self, done: float, note: str = "") -> None:
        """Tell how much of the step is done."""
        ...


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Stats by scheme; `agreement` where it was asked for."""

    calls: dict[str, Stats]
    agreement: Compared | None
    took_s: float


def run_demo(settings: DemoSettings, agreement: bool, display: Display) -> DemoResult:
    """All of it; everything is in `settings.out` then. Raises DemoError, LabError, NetsimError or CodecError."""
    started_s = time.monotonic()
    out, clip = settings.out, settings.out / CLIP
    check_outputs(out)
    display.step("making the clip", settings.frames)
    make_clip(settings.video, clip, settings.size, settings.fps, settings.frames, display.update)
    write_network(settings.trace, settings.scale, out / NETWORK)
    outcomes = [_call(settings, scheme, clip, display) for scheme in settings.schemes]
    display.step("videos", None)
    write_videos(settings, outcomes, clip, out)
    for outcome in outcomes:
        outcome.files.recording.unlink(missing_ok=True)  # uncompressed, and not needed any more
    rows = [_row(settings, outcome) for outcome in outcomes]
    if agreement:
        display.step("the same call in the lab", None)
        rows.append(run_twin(settings, _ours(outcomes), clip, out) | {"seconds": settings.seconds})
    display.step("report", None)
    (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    write_provenance(out)
    write_report(out, out / "report.html")
    calls = {outcome.scheme: outcome.stats for outcome in outcomes}
    found = [compared(pair) for pair in pairs(read_run(out))] if agreement else []
    result = DemoResult(calls, found[0] if found else None, time.monotonic() - started_s)
    _write_summary(settings, result)
    return result


def _call(settings: DemoSettings, scheme: str, clip: Path, display: Display) -> Outcome:
    display.step(f"call with {title(scheme)}", 1)
    files = run_call(settings, scheme, settings.out / scheme, lambda note, done: display.update(done, note))
    display.step(f"comparing frames of {title(scheme)}", None)
    return outcome_of(settings, scheme, files, clip)


def _ours(outcomes: list[Outcome]) -> Outcome:
    for outcome in outcomes:
        if outcome.scheme not in PLAIN:
            return outcome
    raise DemoError("only plain aiortc was asked for, which the lab does not have: give --schemes grace-lite as well")


def _row(settings: DemoSettings, outcome: Outcome) -> Row:
    """The call as a row of results.json, as the lab has them, marked as live."""
    log = f"logs/{outcome.scheme}_live.jsonl"
    write_log(outcome.log, settings.out / log)
    facts = next(outcome.log.named("session_started")).facts
    measured = {name: None if value is None else round(value, 6) for name, value in measure(outcome.log).items()}
    names = ("scheme", "video", "trace", "owd_ms", "queue_packets", "cc", "seed")
    return {
        **{name: facts[name] for name in names},
        **{name: measured[name] for name in ROW_METRICS},
        **{name: facts[name] for name in ("loss_control", "fps", "width", "height", "service", "loss", "where")},
        "seconds": settings.seconds,
        **{name: value for name, value in measured.items() if name not in ROW_METRICS},
        "frames_too_slow": outcome.stats["frames_too_slow"],
        "log": log,
    }


def _write_summary(settings: DemoSettings, result: DemoResult) -> None:
    facts: dict[str, int | float | str | None] = {
        "video": settings.video,
        "trace": settings.network,
        "seconds": settings.seconds,
        "owd_ms": settings.owd_ms,
        "queue_packets": settings.queue,
        "took_s": round(result.took_s, 1),
        "verdict": verdict(result.calls),
        "warning": warning(result.calls),
    }
    if result.agreement is not None:
        facts["lab_and_life_agree"] = "yes" if result.agreement.agree else "no"
    text = json.dumps(summary(facts, result.calls), indent=1) + "\n"
    (settings.out / "summary.json").write_text(text, encoding="utf-8")
