"""Runs of the lab: every scheme over every video over every trace, in parallel processes.

A run fills one folder: results.json with a row per call, and logs/NAME.jsonl of each.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Literal

from grace_codec.media import ClipOptions, VideoClip, open_clip
from grace_codec.schemes import SCHEMES, Progress
from grace_codec.types import Frame
from grace_lab.call import CallConfig, Lab
from grace_lab.cost import ComputeCost
from grace_lab.errors import LabError
from grace_lab.log.file import write_log
from grace_lab.log.schema import SessionLog
from grace_lab.metrics import measure
from grace_lab.metrics.vmaf import VMAF_MISSING, Luma, vmaf, vmaf_ffmpeg
from grace_lab.workers import started
from grace_netsim.link.link import LinkConfig
from grace_netsim.link.stages import IidLoss
from grace_netsim.trace.files import load_opportunities, load_rates
from grace_transport.congestion import find_controller
from grace_transport.congestion.controller import CongestionController

MIN_BPS = 50_000
DIRECTIONS = (".up", ".down")

ROW_METRICS = (
    "ssim_db", "psnr_db", "p50_delay_ms", "p98_delay_ms", "non_rendered_ratio", "stalls_per_s", "stall_ratio",
    "bitrate_bps",
)  # fmt: skip

Row = dict[str, int | float | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """One call of the matrix, with all that a worker process needs to run it again, byte for byte."""

    scheme: str
    video: str
    trace: str
    trace_format: str | None = None
    owd_ms: float = 100
    queue_packets: int = 25
    cc: str = "gcc"
    fps: float = 25
    seed: int = 1
    size: tuple[int, int] | None = None
    seconds: float | None = None
    service: Literal["token-bucket", "mahimahi"] = "token-bucket"
    loss: float = 0
    feedback_owd_ms: float | None = None
    feedback_loss: float = 0
    start_bps: int = 300_000
    max_bps: int = 12_000_000
    encode_ms: float | None = 10
    decode_ms: float | None = 5
    encoded_us: Mapping[int, int] = field(default_factory=dict)
    decoded_us: Mapping[int, int] = field(default_factory=dict)
    vmaf: bool = False

    @property
    def name(self) -> str:
        """The name of the log file, unique within a run."""
        stem = f"{self.scheme}_{Path(self.video).stem}_{trace_name(self.trace)}_{self.cc}_{self.seed}"
        return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in stem)


def trace_name(trace: str) -> str:
    """Of a file without its suffix, unless that is the direction of a mahimahi recording (.up, .down)."""
    path = Path(trace)
    return path.name if path.suffix in DIRECTIONS else path.stem


def call_matrix(
    schemes: list[str], videos: list[str], traces: list[str], like: CallRequest, controllers: Sequence[str] = ()
) -> list[CallRequest]:
    """All calls, those of one video in a row, so that a worker process keeps its clip in memory.

    `controllers`: names of congestion controllers to compare; none: that of `like`."""
    cells = product(videos, schemes, controllers or (like.cc,), traces)
    return [replace(like, scheme=scheme, video=video, cc=cc, trace=trace) for video, scheme, cc, trace in cells]


def check_requests(requests: list[CallRequest]) -> None:
    """Check names, files and limits before any call runs. Raises ClipError, TraceError or ValueError."""
    if unknown := {request.scheme for request in requests} - SCHEMES.keys():
        raise ValueError(f"no scheme is called {', '.join(sorted(unknown))}: use {', '.join(SCHEMES)}")
    if any(request.vmaf for request in requests) and vmaf_ffmpeg() is None:
        raise ValueError(VMAF_MISSING)
    if any(request.start_bps > request.max_bps for request in requests):
        raise ValueError("the first target rate is above the highest: lower --start-kbps or raise --max-kbps")
    if repeated := [name for name, count in Counter(request.name for request in requests).items() if count > 1]:
        advice = "name each scheme, video, trace and controller once, and give no two files the same name"
        raise ValueError(f"two of the calls are the same, or their logs would be ({repeated[0]}.jsonl): {advice}")
    for request in {request.cc: request for request in requests}.values():
        _controller(request)
    for request in {request.trace: request for request in requests}.values():
        load_rates(request.trace, request.trace_format)
    for request in {request.video: request for request in requests}.values():
        _clip(request.video, request.size, request.fps)


def check_outputs(folder: Path, *files: Path) -> None:
    """Make the folders for the results before any call runs. Raises LabError if that fails."""
    path = folder
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a").close()
    except OSError as error:
        raise LabError(f"{path}: cannot write there ({error.strerror or error}); give another place") from error


def prepare(requests: list[CallRequest], progress: Progress | None = None) -> None:
    """Let each scheme prepare once, with progress, what every process needs (cached encodes of x264 and x265)."""
    for request in {(request.scheme, request.video): request for request in requests}.values():
        clip = _clip(request.video, request.size, request.fps)
        SCHEMES[request.scheme].make(clip, _frame_count(clip, request), progress)


def run_all(requests: list[CallRequest], folder: Path, jobs: int) -> Generator[Row, None, None]:
    """Run the calls in `jobs` processes; yields each row as it is done, and has it in `folder`/results.json.

    `folder` is as `check_outputs` leaves it. Closed early it stops the calls. Raises what the first failing call raised
    (ClipError, TraceError, ValueError)."""
    rows: dict[int, Row] = {}
    try:
        with started([partial(run_call, request, folder) for request in requests], jobs) as calls:
            waiting = {call: i for i, call in enumerate(calls)}
            for done in as_completed(waiting):
                rows[waiting[done]] = row = done.result()
                ordered = [rows[i] for i in sorted(rows)]
                (folder / "results.json").write_text(json.dumps(ordered, indent=1) + "\n")
                yield row
    except BrokenProcessPool as error:
        reason = "a process of the lab died, most likely for want of memory"
        raise LabError(f"{reason}; use --jobs 1, a smaller --size or fewer --seconds") from error


def run_call(request: CallRequest, folder: Path | None = None) -> Row:
    """Run one call; returns its row of results.json. With `folder`, its log goes to logs/NAME.jsonl there."""
    started = time.perf_counter()
    pairs: list[tuple[Luma, Luma]] = []
    log = simulate(request, (lambda sent, shown: pairs.append((sent.y, shown.y))) if request.vmaf else None)
    measured = measure(log)
    if folder is not None:
        write_log(log, folder / "logs" / f"{request.name}.jsonl")
    facts = next(log.named("session_started")).facts
    wall_s = round(time.perf_counter() - started, 3)
    return {
        **{name: getattr(request, name) for name in ("scheme", "video", "trace")},
        **{name: getattr(request, name) for name in ("owd_ms", "queue_packets", "cc", "seed")},
        **{name: _rounded(measured[name]) for name in ROW_METRICS},
        "wall_s": wall_s,
        **{name: facts[name] for name in ("loss_control", "fps", "width", "height", "seconds", "service", "loss")},
        **{name: _rounded(value) for name, value in measured.items() if name not in ROW_METRICS},
        **({"vmaf": _rounded(_mean_vmaf(pairs, request.fps))} if request.vmaf else {}),
        "log": f"logs/{request.name}.jsonl",
    }  # fmt: skip


def simulate(request: CallRequest, on_shown: Callable[[Frame, Frame], None] | None = None) -> SessionLog:
    """Run one call; returns its log. `on_shown` gets every captured frame with the frame that was shown for it."""
    clip = _clip(request.video, request.size, request.fps)
    frames = _frame_count(clip, request)
    encoder, decoder = (SCHEMES[request.scheme].make(clip, frames) for _ in range(2))
    controller = _controller(request)
    config = CallConfig(
        fps=request.fps,
        frames=frames,
        uplink=_uplink(request),
        feedback=_feedback(request),
        cost=_cost(request),
        capacity=load_rates(request.trace, request.trace_format),
        pixels=SCHEMES[request.scheme].pixels,
        facts={
            **{name: getattr(request, name) for name in ("scheme", "trace", "fps", "seed", "cc", "owd_ms")},
            **{name: getattr(request, name) for name in ("queue_packets", "service", "loss", "feedback_loss")},
            "video": request.video,
            "width": clip.width,
            "height": clip.height,
            "seconds": round(frames / request.fps, 3),
            "loss_control": controller.loss_control,
        },
    )
    return Lab(config, clip.frame, encoder, decoder, controller, SessionLog(), on_shown).run()


def _mean_vmaf(pairs: list[tuple[Luma, Luma]], fps: float) -> float | None:
    scores = vmaf(pairs, fps) if pairs else None
    return sum(scores) / len(scores) if scores else None


def _controller(request: CallRequest) -> CongestionController:
    make = find_controller(request.cc)
    try:
        return make(start_bps=request.start_bps, min_bps=MIN_BPS, max_bps=request.max_bps)
    except TypeError as error:
        raise ValueError(f"{request.cc} makes no congestion controller: {error}") from error


def _cost(request: CallRequest) -> ComputeCost:
    return ComputeCost(
        _us(request.encode_ms),
        _us(request.decode_ms),
        encoded_us=request.encoded_us,
        decoded_us=request.decoded_us,
    )


def _uplink(request: CallRequest) -> LinkConfig:
    token_bucket = request.service == "token-bucket"
    return LinkConfig(
        rates=load_rates(request.trace, request.trace_format) if token_bucket else None,
        trace=None if token_bucket else load_opportunities(request.trace, request.trace_format),
        delay_us=round(request.owd_ms * 1000),
        queue_packets=request.queue_packets,
        stages=(IidLoss(request.loss),) if request.loss else (),
        seed=request.seed,
    )


def _feedback(request: CallRequest) -> LinkConfig:
    """The way back: its own delay and loss, no bottleneck (the paper's simulator has none either)."""
    owd_ms = request.owd_ms if request.feedback_owd_ms is None else request.feedback_owd_ms
    stages = (IidLoss(request.feedback_loss),) if request.feedback_loss else ()
    return LinkConfig(delay_us=round(owd_ms * 1000), queue="infinite", stages=stages, seed=request.seed + 1)


@lru_cache(maxsize=1)
def _clip(video: str, size: tuple[int, int] | None, fps: float) -> VideoClip:
    return open_clip(video, ClipOptions(size=size, fps=fps))


def _frame_count(clip: VideoClip, request: CallRequest) -> int:
    return clip.count() if request.seconds is None else max(1, round(request.seconds * request.fps))


def _us(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1000)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
