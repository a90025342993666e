"""The lab's twin of a live call: the same pictures, network, seed and controller in virtual time.

Owns what is carried over: the capacity as the relay logged it, from the first capture on, and what encoding and
decoding took in the median. Refuses to judge: bounds are `report.agreement`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grace_netsim.demo.clip_file import make_clip
from grace_netsim.demo.outcome import Outcome
from grace_netsim.demo.settings import PLAIN, DemoSettings, title
from grace_netsim.errors import DemoError
from grace_netsim.lab_run import CallRequest, Row, run_call
from grace_netsim.log import SessionLog
from grace_netsim.merge import captures

STEP_US: Final = 100_000
RATES_FILE: Final = "capacity.rates"
CLIP_FILE: Final = "captured.mkv"


def run_twin(settings: DemoSettings, outcome: Outcome, clip: Path, folder: Path) -> Row:
    """Run the twin; its row, with its log in `folder`/logs. Raises DemoError where the live call has no twin."""
    if outcome.scheme in PLAIN:
        raise DemoError(
            f"{title(outcome.scheme)} is aiortc as it is, which the lab does not have: agree on another scheme"
        )
    capacity, captured = folder / RATES_FILE, folder / CLIP_FILE
    capacity.write_text("".join(f"{bps / 1e6:.6f}\n" for bps in seen_capacity(outcome.log)), encoding="utf-8")
    first, frames = captured_part(outcome, settings.fps)
    make_clip(str(clip), captured, settings.size, settings.fps, frames, first=first)
    row = run_call(twin_of(settings, outcome, captured, capacity), folder)
    captured.unlink()
    return row | {"video": settings.video, "trace": settings.network, "where": "lab"}


def captured_part(outcome: Outcome, fps: float) -> tuple[int, int]:
    """(first captured picture of the clip, frames from there to the last): a live sender begins when it can."""
    taken = sorted(captures(outcome.logs.sender).values(), key=lambda capture: capture.captured_us)
    return taken[0].picture, round((taken[-1].captured_us - taken[0].captured_us) * fps / 1e6) + 1


def twin_of(settings: DemoSettings, outcome: Outcome, clip: Path, capacity: Path) -> CallRequest:
    """What the lab is asked for."""
    return CallRequest(
        scheme=outcome.scheme,
        video=str(clip),
        trace=str(capacity),
        owd_ms=settings.owd_ms,
        queue_packets=settings.queue,
        cc=settings.cc,
        fps=settings.fps,
        seed=settings.seed,
        size=(outcome.sent.width, outcome.sent.height),
        start_bps=settings.start_bps,
        max_bps=settings.max_bps,
        encode_ms=_milliseconds(outcome.median_us("frame_encoded", "encode_us")),
        decode_ms=_milliseconds(outcome.median_us("frame_decoded", "decode_us")),
    )


def seen_capacity(log: SessionLog) -> list[int]:
    """bit/s of the link in steps of 100 ms from the first capture on. DemoError where the relay logged none."""
    changes = [(event.at_us, event.integer("bps")) for event in log.named("link_capacity")]
    if not changes:
        raise DemoError("the network's log says nothing of its capacity: the lab cannot have the same")
    steps: list[int] = []
    position = 0
    for start_us in range(0, changes[-1][0] + STEP_US, STEP_US):
        while position + 1 < len(changes) and changes[position + 1][0] <= start_us + STEP_US // 2:
            position += 1
        steps.append(changes[position][1])
    return steps


def _milliseconds(us: int | None) -> float:
    return 0.0 if us is None else us / 1000
