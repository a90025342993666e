"""The lab's twin of a live call: the same frames, network, seed and controller in virtual time.

The twin gets the network in step with the first capture, the frames from there on, and how long the machine took to
encode and to decode each of them. Whether the two agree is decided by `grace_lab.report.agreement`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from grace_lab.log.merge import ProcessLogs, captured_frames
from grace_lab.log.schema import Event, SessionLog
from grace_lab.matrix import CallRequest, Row, run_call
from grace_netsim.trace.files import load_rates, write_trace
from grace_netsim.trace.rates import RateSeries
from grace_rtc.demo.call import NETWORK, make_clip
from grace_rtc.demo.outcome import Outcome
from grace_rtc.demo.settings import PLAIN, DemoSettings, title
from grace_rtc.errors import DemoError

STEP_US: Final = 5_000
RATES_FILE: Final = "capacity.csv"
CLIP_FILE: Final = "captured.mkv"


def run_twin(settings: DemoSettings, outcome: Outcome, clip: Path, folder: Path) -> Row:
    """Run the twin; its row, with its log in `folder`/logs. Raises DemoError where the live call has no twin."""
    if outcome.scheme in PLAIN:
        raise DemoError(
            f"{title(outcome.scheme)} is aiortc as it is, which the lab does not have: agree on another scheme"
        )
    capacity, captured = folder / RATES_FILE, folder / CLIP_FILE
    write_trace(capacity, seen_network(load_rates(str(folder / NETWORK)), outcome.logs), "csv")
    first, frames = captured_part(outcome, settings.fps)
    make_clip(str(clip), captured, settings.size, settings.fps, frames, first=first)
    row = run_call(twin_of(settings, outcome, captured, capacity), folder)
    captured.unlink()
    capacity.unlink()
    return row | {"video": settings.video, "trace": settings.network, "where": "lab"}


def captured_part(outcome: Outcome, fps: float) -> tuple[int, int]:
    """(first captured frame of the clip, frames from there to the last): a live sender begins when it is ready."""
    taken = sorted(captured_frames(outcome.logs.sender).values(), key=lambda capture: capture.captured_us)
    return taken[0].source_frame, round((taken[-1].captured_us - taken[0].captured_us) * fps / 1e6) + 1


def twin_of(settings: DemoSettings, outcome: Outcome, clip: Path, capacity: Path) -> CallRequest:
    """The call that the lab runs."""
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
        encoded_us=costs_of(outcome.logs.sender, outcome.log.named("frame_encoded"), "encode_us"),
        decoded_us=costs_of(outcome.logs.sender, outcome.log.named("frame_decoded"), "decode_us"),
    )


def costs_of(sender: SessionLog, coded: Iterable[Event], fact: str) -> dict[int, int]:
    """The twin's frame_id -> what coding it took in the live call. The twin counts captured source_frames from 0."""
    source_frames = {capture.frame_id: capture.source_frame for capture in captured_frames(sender).values()}
    first = min(source_frames.values())
    costs = ((event.integer("frame_id"), event.integer(fact)) for event in coded)
    return {source_frames[frame_id] - first: cost_us for frame_id, cost_us in costs if frame_id in source_frames}


def seen_network(network: RateSeries, logs: ProcessLogs) -> RateSeries:
    """The link's rates from the first capture on: its own time begins with the first packet that reaches it.

    Raises DemoError where none did."""
    first_us = min(capture.captured_us for capture in captured_frames(logs.sender).values())
    packets = (event for event in logs.relay or () if event.name == "packet_relayed")
    begun_us = next((event.at_us for event in packets if _begins(event)), None)
    if begun_us is None:
        raise DemoError("no video reached the network: there is nothing to repeat in the lab")
    starts_us = range(first_us - begun_us, first_us - begun_us + network.duration_us, STEP_US)
    return RateSeries(tuple(network.rate_at(max(0, start_us)) for start_us in starts_us), STEP_US)


def _begins(event: Event) -> bool:
    return event.text("direction") == "up" and event.text("kind") in ("media", "padding", "retransmission")


def _milliseconds(us: int | None) -> float:
    return 0.0 if us is None else us / 1000
