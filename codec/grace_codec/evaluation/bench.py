"""GRACE's time per frame on this machine, whole and by stage. The caller gives clock, frames and profile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import TypeVar

import numpy as np

from grace_codec import profiles
from grace_codec.entropy.coder import Geometry, LatentCoder
from grace_codec.entropy.latents import complete
from grace_codec.entropy.tables import load as load_tables
from grace_codec.grace.codec import GraceCodec, tables_path
from grace_codec.grace.reference import GraceReference
from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.search import MotionSearch
from grace_codec.types import Budget, CodedFrame, Frame, Plane, Planes, ReceivedFrame

KEY_SHARE = 8  # of a P-frame's budget, for the first frame
REFERENCE_PASSES = 64
STAGES = {
    "encode": "a whole P-frame, the sender's reconstruction with it",
    "decode": "a whole P-frame",
    "replay": "a decoded frame applied to another reference",
    "motion search": "part of encode",
    "compensation": "part of all three",
    "analysis": "part of encode: search, compensation and network",
    "entropy encode": "part of encode: one try",
    "entropy decode": "part of decode",
    "synthesis": "part of encode and decode: the network",
    "reference workload": "numpy passes over the luma plane, between the others",
}

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class StageSpeed:
    """ms: median over P-frames; per_reference: over that of the reference workload."""

    ms: float
    per_reference: float


@dataclass(frozen=True, slots=True)
class CodecSpeed:
    """frames: P-frames that were timed; bytes_per_frame: mean of them; stages: as STAGES."""

    profile: str
    width: int
    height: int
    frames: int
    bytes_per_frame: float
    stages: dict[str, StageSpeed]


class _Watch:
    """Collects the times of each stage, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def time(self, stage: str, work: Callable[[], _Result]) -> _Result:
        started_s = self._clock()
        result = work()
        self.seconds[stage].append(self._clock() - started_s)
        return result

    def stages(self, skipped: int) -> dict[str, StageSpeed]:
        medians = {stage: median(self.seconds[stage][skipped:]) for stage in STAGES}
        unit = medians["reference workload"]
        return {stage: StageSpeed(1000 * s, s / unit if unit else 0.0) for stage, s in medians.items()}


def reference_workload(luma: Plane) -> int:
    """Work of a fixed kind whose time stage times are divided by, so that ratios compare between machines: absolute
    differences of the plane to shifted copies of itself, on one thread. Returns their sum."""
    return sum(
        int(np.abs(luma.astype(np.int16) - np.roll(luma, shift, 1)).sum(dtype=np.int64))
        for shift in range(REFERENCE_PASSES)
    )


def measure_codec(
    frames: Sequence[Frame], frame_bytes: int, clock: Callable[[], float], profile: str = "grace-lite"
) -> CodecSpeed:
    """The first frame is the key frame, the first P-frame warms everything up, all others count.

    Raises ModelError or BackendError where the profile cannot run, ValueError for fewer than three frames."""
    if len(frames) < 3:
        raise ValueError(f"{len(frames)} frames: at least three are needed")
    sender, receiver, parts = GraceCodec.load(profile), GraceCodec.load(profile), _Parts(profile)
    watch, budget = _Watch(clock), Budget(frame_bytes)
    key = sender.encode(frames[0], None, Budget(KEY_SHARE * frame_bytes))
    reference, sizes = key.reference, []
    for frame in frames[1:]:
        coded = _time_ends(watch, sender, receiver, frame, reference, budget)
        assert isinstance(reference, GraceReference)
        parts.time(watch, (frame.y, frame.u, frame.v), reference.planes, coded)
        watch.time("reference workload", lambda y=frame.y: reference_workload(y))  # type: ignore[misc]
        sizes.append(sum(map(len, coded.payloads)))
        reference = coded.reference
    first = frames[0]
    return CodecSpeed(profile, first.width, first.height, len(sizes) - 1, mean(sizes[1:]), watch.stages(1))


def _time_ends(
    watch: _Watch, sender: GraceCodec, receiver: GraceCodec, frame: Frame, reference: object, budget: Budget
) -> CodedFrame:
    coded = watch.time("encode", lambda: sender.encode(frame, reference, budget))
    received = ReceivedFrame(frame.frame_id, False, len(coded.payloads), dict(enumerate(coded.payloads)))
    watch.time("decode", lambda: receiver.decode(received, reference))
    watch.time("replay", lambda: receiver.replay(received, reference))
    return coded


class _Parts:
    """Runs and times the stages of a frame one by one, on a model of their own."""

    def __init__(self, profile: str) -> None:
        self._model = profiles.load(profile)
        self._coder = LatentCoder(load_tables(tables_path(profile)), self._model.profile.trained_levels)
        self._search = MotionSearch()

    def time(self, watch: _Watch, planes: Planes, parent: Planes, coded: CodedFrame) -> None:
        """As `coded` was coded: its rate level, its number of packets."""
        level, packets = coded.payloads[0][1], max(2, len(coded.payloads))
        picture = ReferenceFrame(parent)
        motion = watch.time("motion search", lambda: self._search(planes[0], picture))
        watch.time("compensation", lambda: picture.compensate(motion))
        analysis = watch.time("analysis", lambda: self._model.analyse(planes, parent))
        latents = self._model.quantize(analysis, level)
        streams = watch.time("entropy encode", lambda: self._coder.encode(latents, packets))
        _, height, width = latents.residual.shape
        geometry = Geometry(height, width, level, packets)
        moving = bool(latents.motion.any())
        watch.time("entropy decode", lambda: self._coder.decode(dict(enumerate(streams)), geometry, moving))
        watch.time("synthesis", lambda: self._model.reconstruct(parent, complete(latents)))
