"""Rate and distortion of GRACE and of the classical codecs on one clip, every number through real packets. Owns how a
measurement is made; prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from grace_codec.api import PacketCodec
from grace_codec.baselines.classical import Bitrate, ClassicalStream, Quality, encode_clip
from grace_codec.evaluation.loss_pattern import Bursts
from grace_codec.evaluation.quality import psnr_db, ssim_db
from grace_codec.types import Budget, CodedFrame, Frame, ReceivedFrame, Reference

KEY_FACTOR: Final = 10  # budget of the first frame in budgets of the others; x264 and x265 spend 5 to 15 of them
MAX_PAYLOAD: Final = 1150
UNBOUNDED_BPS: Final = 1_000_000_000
CLASSICAL: Final = {"h264": "libx264", "h265": "libx265", "vp8": "libvpx"}
CRFS: Final = (16, 20, 24, 28, 32, 36, 40, 44)
BITRATE_SCALES: Final = (0.15, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0, 7.0)  # of the geometric mean of the bitrates asked for
LEVELS: Final = (36, 52, 68, 84, 98, 112)  # fine rate levels of a sweep at one quality
AFTERMATH_FRAMES: Final = 3  # after a burst, whose quality counts as affected by it
MIN_OVERLAP_DB: Final = 0.05  # of two curves' SSIM; a mean over less says nothing

Progress = Callable[[str], None]
"""Called with what is being measured."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure.

    losses: shares of the payloads that bursts of `burst_frames` frames lose. against: names of CLASSICAL.
    packet_overhead: bytes to count per packet on top of its payload (RTP, UDP, IP). anchor: how x264 and x265 hold
    their rate, "crf" (constant quality, whatever a frame takes) or "bitrate" (with a buffer of one second, as in a
    call); VP8 always holds a bitrate."""

    bitrates_bps: tuple[int, ...]
    losses: tuple[float, ...]
    against: tuple[str, ...]
    burst_frames: int = 3
    seed: int = 0
    packet_overhead: int = 0
    anchor: str = "crf"


@dataclass(frozen=True, slots=True)
class FrameStats:
    """One frame as coded and as shown. `bytes` counts its payloads, of which there are `packets` and `lost` do not
    arrive. in_burst: whether losses may strike it."""

    bytes: int
    packets: int
    ssim_db: float
    psnr_db: float
    encode_ms: float = 0.0
    decode_ms: float = 0.0
    lost: int = 0
    in_burst: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """Means over a clip's frames at one rate, the first (key) frame included; `p_kbps` is the rate without it.

    bpp: bits per pixel. packets, encode_ms and decode_ms (medians) are those of P-frames."""

    kbps: float
    p_kbps: float
    bpp: float
    ssim_db: float
    psnr_db: float
    packets: float
    encode_ms: float
    decode_ms: float

    def as_json(self) -> Json:
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over the clip, at a bitrate or at a fixed level, the other being None.

    loss: share of payloads that bursts were asked to lose; lost_share: what they did lose of the frames they struck;
    frames_lost: how many frames lost every payload; ssim_drop_db: mean over the bursts and AFTERMATH_FRAMES after
    each, against the run without loss."""

    bitrate_bps: int | None
    level: int | None
    loss: float
    lost_share: float
    frames_lost: int
    ssim_drop_db: float
    point: Point

    def as_json(self) -> Json:
        control: Json = {"bitrate_bps": self.bitrate_bps} if self.level is None else {"level": self.level}
        out = control | {"loss": self.loss} | self.point.as_json()
        if self.loss:
            out |= {"lost_share": round(self.lost_share, 4), "frames_lost": self.frames_lost}
            out["ssim_drop_db"] = round(self.ssim_drop_db, 3)
        return out


@dataclass(frozen=True, slots=True)
class Comparison:
    """A classical codec's sweep, and what GRACE gains on it: rate at equal SSIM (BD-rate, negative is better; None
    where the curves share no SSIM) and SSIM at equal bytes, per rate of GRACE (None where the sweep does not reach)."""

    points: tuple[Point, ...]
    bd_rate_percent: float | None
    ssim_gain_db_at_equal_bytes: tuple[float | None, ...]

    def as_json(self) -> Json:
        return {
            "points": [point.as_json() for point in self.points],
            "bd_rate_percent": self.bd_rate_percent,
            "ssim_gain_db_at_equal_bytes": list(self.ssim_gain_db_at_equal_bytes),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was measured on one clip. control: "budget" (bytes per frame) or "level" (one quality throughout)."""

    frames: int
    fps: float
    width: int
    height: int
    control: str
    request: Request
    runs: tuple[Run, ...]
    against: Mapping[str, Comparison]

    def clean_points(self) -> list[Point]:
        """GRACE's rates and qualities without loss."""
        return [run.point for run in self.runs if not run.loss]

    def as_json(self) -> Json:
        return {
            "frames": self.frames,
            "fps": self.fps,
            "size": f"{self.width}x{self.height}",
            "packet_overhead_bytes": self.request.packet_overhead,
            "burst_frames": self.request.burst_frames,
            "control": self.control,
            "anchor": self.request.anchor,
            "grace": [run.as_json() for run in self.runs],
            "against": {name: comparison.as_json() for name, comparison in self.against.items()},
        }


def summarize(stats: Sequence[FrameStats], fps: float, pixels: int, packet_overhead: int) -> Point:
    """Means over frames of `pixels` each; `packet_overhead` bytes are added per packet."""
    sizes = np.array([s.bytes + s.packets * packet_overhead for s in stats], np.float64)
    later = stats[1:] or stats
    return Point(
        kbps=float(sizes.mean() * 8 * fps / 1000),
        p_kbps=float((sizes[1:] if len(sizes) > 1 else sizes).mean() * 8 * fps / 1000),
        bpp=float(sizes.mean() * 8 / pixels),
        ssim_db=float(np.mean([s.ssim_db for s in stats])),
        psnr_db=float(np.mean([s.psnr_db for s in stats])),
        packets=float(np.mean([s.packets for s in later])),
        encode_ms=float(np.median([s.encode_ms for s in later])),
        decode_ms=float(np.median([s.decode_ms for s in later])),
    )


class _Call:
    """Sender and receiver of one clip. After a burst of losses both rebuild the reference from what arrived (paper
    4.2): the first frame of the burst decoded, the others replayed. A frame of which nothing arrived is not sent
    again: the receiver goes on showing the one before, and both ends' reference stays what it was."""

    def __init__(self, sender: PacketCodec, receiver: PacketCodec, bursts: Bursts) -> None:
        self._sender, self._receiver, self._bursts = sender, receiver, bursts
        self._optimistic: Reference | None = None  # what the sender predicts from
        self._shown: Reference | None = None  # what the receiver has
        self._before: Reference | None = None  # the last reference that both had
        self._struck: list[ReceivedFrame] = []
        self._last_shown: Frame | None = None

    def send(self, frame: Frame, budget: Budget) -> FrameStats:
        """Code, lose, decode and measure one frame. ValueError where what arrived does not decode."""
        index = frame.frame_id
        in_burst = self._bursts.hits(index)
        if self._struck and not in_burst:
            self._resync()
        started = time.perf_counter()
        coded = self._sender.encode(frame, self._optimistic, budget)
        encoded = time.perf_counter()
        received = self._through_the_network(coded)
        decoded = self._receiver.decode(received, self._shown)
        finished = time.perf_counter()
        if in_burst:
            self._before = self._before if self._struck else self._optimistic
            self._struck.append(received)
        self._optimistic, self._shown = coded.reference, decoded.reference
        self._last_shown = decoded.frame or (None if received.payloads else self._last_shown)
        if self._last_shown is None or decoded.rejected:
            raise ValueError(f"frame {index} did not decode: {dict(decoded.rejected)}")
        return FrameStats(
            bytes=sum(map(len, coded.payloads)),
            packets=received.total,
            ssim_db=ssim_db(frame.y, self._last_shown.y),
            psnr_db=psnr_db(frame.y, self._last_shown.y),
            encode_ms=(encoded - started) * 1e3,
            decode_ms=(finished - encoded) * 1e3,
            lost=received.total - len(received.payloads),
            in_burst=in_burst,
        )

    def _through_the_network(self, coded: CodedFrame) -> ReceivedFrame:
        arrived = self._bursts.arrived(coded.frame_id, dict(enumerate(coded.payloads)))
        return ReceivedFrame(coded.frame_id, coded.key, len(coded.payloads), arrived)

    def _resync(self) -> None:
        ends = []
        for codec in (self._sender, self._receiver):
            reference = codec.decode(self._struck[0], self._before).reference
            for received in self._struck[1:]:
                assert reference is not None
                reference = codec.replay(received, reference)
            ends.append(reference)
        self._optimistic, self._shown = ends
        self._struck = []


def run(
    make: Callable[[], PacketCodec], frames: Iterable[Frame], bitrate_bps: int, fps: float, bursts: Bursts
) -> list[FrameStats]:
    """Send a clip at a constant budget per frame (KEY_FACTOR times it for the first) and measure what is shown."""
    call = _Call(make(), make(), bursts)
    share = bitrate_bps / 8 / fps
    return [
        call.send(frame, Budget(round(share * (KEY_FACTOR if index == 0 else 1)), MAX_PAYLOAD))
        for index, frame in enumerate(frames)
    ]


def lost_share(stats: Sequence[FrameStats]) -> float:
    """Share of the payloads that did not arrive, of the frames in bursts; 0 where there are none."""
    struck = [s for s in stats if s.in_burst]
    return sum(s.lost for s in struck) / sum(s.packets for s in struck) if struck else 0.0


def loss_drop(clean: Sequence[FrameStats], lossy: Sequence[FrameStats], bursts: Bursts) -> float:
    """Mean loss of SSIM in dB over the frames of bursts and the AFTERMATH_FRAMES after each."""
    affected = [i for i in range(len(lossy)) if 0 <= bursts.place(i) < bursts.frames + AFTERMATH_FRAMES]
    return float(np.mean([clean[i].ssim_db - lossy[i].ssim_db for i in affected])) if affected else 0.0


def classical_points(frames: Sequence[Frame], name: str, fps: float, request: Request) -> tuple[Point, ...]:
    """A classical codec over a sweep of qualities or of bitrates, each frame in packets of MAX_PAYLOAD."""
    codec = CLASSICAL[name]
    rates: list[Quality | Bitrate] = [Quality(crf) for crf in CRFS]
    if request.anchor == "bitrate" or name == "vp8":
        middle = float(np.exp(np.mean(np.log(request.bitrates_bps))))
        rates = [Bitrate(round(scale * middle)) for scale in BITRATE_SCALES]
    overhead = request.packet_overhead
    return tuple(_measured(encode_clip(frames, codec, rate, fps), frames, fps, overhead) for rate in rates)


def _measured(stream: ClassicalStream, frames: Sequence[Frame], fps: float, packet_overhead: int) -> Point:
    stats = []
    for frame, data, shown in zip(frames, stream.packets, stream.decoded(), strict=True):
        packets = -(-len(data) // MAX_PAYLOAD)
        stats.append(FrameStats(len(data), packets, ssim_db(frame.y, shown[0]), psnr_db(frame.y, shown[0])))
    return summarize(stats, fps, frames[0].width * frames[0].height, packet_overhead)


def at_rate(points: Sequence[Point], kbps: float) -> float:
    """SSIM dB of a codec at a rate, interpolated over log rate; beyond its sweep: its nearest end."""
    ordered = sorted(points, key=lambda p: p.kbps)
    return float(np.interp(np.log(kbps), np.log([p.kbps for p in ordered]), [p.ssim_db for p in ordered]))


def ssim_gain(ours: Sequence[Point], theirs: Sequence[Point], kbps: float) -> float | None:
    """SSIM dB of one codec over another's at a rate that both sweeps reach; None elsewhere."""
    rates = [[p.kbps for p in points] for points in (ours, theirs)]
    if not max(map(min, rates)) <= kbps <= min(map(max, rates)):
        return None
    return round(at_rate(ours, kbps) - at_rate(theirs, kbps), 3)


def bd_rate(anchor: Sequence[Point], tested: Sequence[Point]) -> float | None:
    """Bjøntegaard delta rate (VCEG-M33): mean difference of rate at equal SSIM in percent, over the SSIM that both
    reach; None where they share none. Piecewise linear in log rate, which unlike the cubic fit cannot overshoot."""
    a, t = (sorted(points, key=lambda p: p.ssim_db) for points in (anchor, tested))
    low, high = max(a[0].ssim_db, t[0].ssim_db), min(a[-1].ssim_db, t[-1].ssim_db)
    if high - low < MIN_OVERLAP_DB:
        return None
    grid = np.linspace(low, high, 200)
    logs = [np.interp(grid, [p.ssim_db for p in c], np.log([p.kbps for p in c])) for c in (t, a)]
    return round(float((np.exp(np.mean(logs[0] - logs[1])) - 1) * 100), 1)


def evaluate(
    make: Callable[[], PacketCodec], frames: Sequence[Frame], fps: float, request: Request, progress: Progress
) -> Evaluation:
    """One clip at every bitrate and loss that the request names, with a codec that `make` gives per end and run."""
    pixels, overhead = frames[0].width * frames[0].height, request.packet_overhead
    runs: list[Run] = []
    for bitrate in request.bitrates_bps:
        clean: list[FrameStats] = []
        for loss in sorted({0.0, *request.losses}):
            progress(f"{bitrate // 1000} kbit/s, loss {loss:.0%}")
            bursts = Bursts(loss, request.burst_frames, seed=request.seed)
            stats = run(make, frames, bitrate, fps, bursts)
            clean = clean or stats
            whole = sum(s.lost == s.packets for s in stats)
            drop = loss_drop(clean, stats, bursts)
            point = summarize(stats, fps, pixels, overhead)
            runs.append(Run(bitrate, None, loss, lost_share(stats), whole, drop, point))
    ours = [r.point for r in runs if not r.loss]

    def gain(theirs: Sequence[Point]) -> tuple[float | None, ...]:
        return tuple(round(p.ssim_db - at_rate(theirs, p.kbps), 3) for p in ours)

    against = _comparisons(ours, gain, frames, fps, request, progress)
    return Evaluation(len(frames), fps, frames[0].width, frames[0].height, "budget", request, tuple(runs), against)


def evaluate_levels(
    make: Callable[[int], PacketCodec], frames: Sequence[Frame], fps: float, request: Request, progress: Progress
) -> Evaluation:
    """One quality throughout, on both sides: GRACE at fixed levels, classical codecs at fixed qualities, no loss.

    `make` gives a codec that stays at a fine level. SSIM gains are at the bitrates asked for, over all bytes."""
    pixels, overhead = frames[0].width * frames[0].height, request.packet_overhead
    runs = []
    for level in LEVELS:
        progress(f"level {level}")
        stats = run(lambda level=level: make(level), frames, UNBOUNDED_BPS, fps, Bursts(0.0))  # type: ignore[misc]
        runs.append(Run(None, level, 0.0, 0.0, 0, 0.0, summarize(stats, fps, pixels, overhead)))
    ours = [r.point for r in runs]

    def gain(theirs: Sequence[Point]) -> tuple[float | None, ...]:
        return tuple(ssim_gain(ours, theirs, bps / 1000) for bps in request.bitrates_bps)

    against = _comparisons(ours, gain, frames, fps, request, progress)
    return Evaluation(len(frames), fps, frames[0].width, frames[0].height, "level", request, tuple(runs), against)


def _comparisons(
    ours: Sequence[Point],
    gain: Callable[[Sequence[Point]], tuple[float | None, ...]],
    frames: Sequence[Frame],
    fps: float,
    request: Request,
    progress: Progress,
) -> dict[str, Comparison]:
    against = {}
    for name in request.against:
        progress(name)
        theirs = classical_points(frames, name, fps, request)
        against[name] = Comparison(theirs, bd_rate(theirs, ours), gain(theirs))
    return against
