"""Rate and distortion of GRACE and of the classical codecs on one clip, every number through real packets. Owns how a
measurement is made; prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from grace_codec.api import PacketCodec
from grace_codec.baselines.classical import Bitrate, ClassicalStream, Quality, encode_clip
from grace_codec.evaluation.loss_pattern import Bursts
from grace_codec.evaluation.quality import psnr_db, ssim_db
from grace_codec.types import Budget, CodedFrame, Frame, ReceivedFrame, Reference

KEY_FACTOR = 10  # budget of the first frame in budgets of the others; x264 and x265 spend 5 to 15 of them
MAX_PAYLOAD = 1150
UNBOUNDED_BPS = 1_000_000_000
CLASSICAL = {"h264": "libx264", "h265": "libx265", "vp8": "libvpx"}
CRFS = (16, 20, 24, 28, 32, 36, 40, 44)
BITRATE_SCALES = (0.15, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0, 7.0)  # of the geometric mean of the bitrates asked for

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FrameFigures:
    """One frame as coded and as shown. `bytes` counts payloads, and `packets` of them."""

    bytes: int
    packets: int
    ssim_db: float
    psnr_db: float
    encode_ms: float = 0.0
    decode_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """A clip at one rate: all frames, the first (key) frame included; `p_kbps` without it."""

    kbps: float
    p_kbps: float
    bpp: float
    ssim_db: float
    psnr_db: float
    packets: float
    encode_ms: float
    decode_ms: float


def summarize(figures: Sequence[FrameFigures], fps: float, pixels: int, packet_overhead: int) -> Point:
    """Means over frames; `packet_overhead` bytes are added per packet (RTP, UDP, IP, ...)."""
    sizes = np.array([f.bytes + f.packets * packet_overhead for f in figures], np.float64)
    later = figures[1:] or figures
    return Point(
        kbps=float(sizes.mean() * 8 * fps / 1000),
        p_kbps=float((sizes[1:] if len(sizes) > 1 else sizes).mean() * 8 * fps / 1000),
        bpp=float(sizes.mean() * 8 / pixels),
        ssim_db=float(np.mean([f.ssim_db for f in figures])),
        psnr_db=float(np.mean([f.psnr_db for f in figures])),
        packets=float(np.mean([f.packets for f in later])),
        encode_ms=float(np.median([f.encode_ms for f in later])),
        decode_ms=float(np.median([f.decode_ms for f in later])),
    )


class _Call:
    """Sender and receiver of one clip. After a burst of losses both rebuild the reference from what arrived (paper
    4.2): the first hit frame decoded, the others replayed."""

    def __init__(self, sender: PacketCodec, receiver: PacketCodec, bursts: Bursts) -> None:
        self._sender, self._receiver, self._bursts = sender, receiver, bursts
        self._optimistic: Reference | None = None  # what the sender predicts from
        self._shown: Reference | None = None  # what the receiver has
        self._before: Reference | None = None  # the last reference both had
        self._hit: list[ReceivedFrame] = []

    def frame(self, frame: Frame, budget: Budget) -> tuple[CodedFrame, Frame, float, float]:
        """The coded frame, what is shown, milliseconds to encode and to decode."""
        index = frame.frame_id
        if self._hit and not self._bursts.hits(index):
            self._resync()
        started = time.perf_counter()
        coded = self._sender.encode(frame, self._optimistic, budget)
        encoded = time.perf_counter()
        arrived = self._bursts.arrived(index, dict(enumerate(coded.payloads)))
        received = ReceivedFrame(index, coded.key, len(coded.payloads), arrived)
        decoded = self._receiver.decode(received, self._shown)
        finished = time.perf_counter()
        if self._bursts.hits(index):
            self._before = self._before if self._hit else self._optimistic
            self._hit.append(received)
        self._optimistic, self._shown = coded.reference, decoded.reference
        if decoded.frame is None or decoded.rejected:
            raise ValueError(f"frame {index} did not decode: {dict(decoded.rejected)}")
        return coded, decoded.frame, (encoded - started) * 1e3, (finished - encoded) * 1e3

    def _resync(self) -> None:
        sides = []
        for codec in (self._sender, self._receiver):
            reference = codec.decode(self._hit[0], self._before).reference
            for received in self._hit[1:]:
                assert reference is not None
                reference = codec.replay(received, reference)
            sides.append(reference)
        self._optimistic, self._shown = sides
        self._hit = []


def run(
    make: Callable[[], PacketCodec], frames: Iterable[Frame], bitrate_bps: int, fps: float, bursts: Bursts
) -> list[FrameFigures]:
    """Send a clip at a constant budget per frame (KEY_FACTOR times it for the first) and measure what is shown."""
    call = _Call(make(), make(), bursts)
    share = bitrate_bps / 8 / fps
    figures = []
    for index, frame in enumerate(frames):
        budget = Budget(round(share * (KEY_FACTOR if index == 0 else 1)), MAX_PAYLOAD)
        coded, shown, encode_ms, decode_ms = call.frame(frame, budget)
        size, count = sum(map(len, coded.payloads)), len(coded.payloads)
        figures.append(
            FrameFigures(size, count, ssim_db(frame.y, shown.y), psnr_db(frame.y, shown.y), encode_ms, decode_ms)
        )
    return figures


def loss_drop(clean: Sequence[FrameFigures], lossy: Sequence[FrameFigures], bursts: Bursts) -> float:
    """Mean loss of SSIM in dB over the frames of bursts and the three after each."""
    hit = [i for i in range(len(lossy)) if 0 <= bursts.place(i) < bursts.frames + 3]
    return float(np.mean([clean[i].ssim_db - lossy[i].ssim_db for i in hit])) if hit else 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure. against: names of CLASSICAL. anchor: how x264 and x265 hold their rate, "crf" (one quality
    throughout, whatever a frame takes) or "bitrate" (with a buffer of one second, as in a call; VP8 always)."""

    bitrates_bps: tuple[int, ...]
    losses: tuple[float, ...]
    against: tuple[str, ...]
    burst_frames: int = 3
    seed: int = 0
    packet_overhead: int = 0
    anchor: str = "crf"


def classical_points(frames: Sequence[Frame], name: str, fps: float, request: Request) -> list[Point]:
    """A classical codec over a sweep of qualities or of bitrates, each frame in packets of MAX_PAYLOAD."""
    codec = CLASSICAL[name]
    rates: list[Quality | Bitrate] = [Quality(crf) for crf in CRFS]
    if request.anchor == "bitrate" or name == "vp8":
        middle = float(np.exp(np.mean(np.log(request.bitrates_bps))))
        rates = [Bitrate(round(scale * middle)) for scale in BITRATE_SCALES]
    overhead = request.packet_overhead
    return [_measured(encode_clip(frames, codec, rate, fps), frames, fps, overhead) for rate in rates]


def _measured(stream: ClassicalStream, frames: Sequence[Frame], fps: float, packet_overhead: int) -> Point:
    figures = []
    for frame, data, shown in zip(frames, stream.packets, stream.decoded(), strict=True):
        count = -(-len(data) // MAX_PAYLOAD)
        figures.append(FrameFigures(len(data), count, ssim_db(frame.y, shown[0]), psnr_db(frame.y, shown[0])))
    return summarize(figures, fps, frames[0].width * frames[0].height, packet_overhead)


def at_rate(points: Sequence[Point], kbps: float) -> float:
    """SSIM dB of a codec at a rate, interpolated over log rate; beyond its sweep: its nearest end."""
    ordered = sorted(points, key=lambda p: p.kbps)
    return float(np.interp(np.log(kbps), np.log([p.kbps for p in ordered]), [p.ssim_db for p in ordered]))


def bd_rate(anchor: Sequence[Point], tested: Sequence[Point]) -> float | None:
    """Mean difference of rate at equal SSIM in percent, over the SSIM that both reach; None where they share none.

    Piecewise linear in log rate, which unlike the cubic fit cannot overshoot."""
    a, t = (sorted(points, key=lambda p: p.ssim_db) for points in (anchor, tested))
    low, high = max(a[0].ssim_db, t[0].ssim_db), min(a[-1].ssim_db, t[-1].ssim_db)
    if high - low < 0.05:
        return None
    grid = np.linspace(low, high, 200)
    logs = [np.interp(grid, [p.ssim_db for p in c], np.log([p.kbps for p in c])) for c in (t, a)]
    return float((np.exp(np.mean(logs[0] - logs[1])) - 1) * 100)


def evaluate(
    make: Callable[[], PacketCodec], frames: Sequence[Frame], fps: float, request: Request, progress: Progress
) -> dict[str, Any]:
    """All figures of one clip as a JSON object."""
    pixels = frames[0].width * frames[0].height
    clean: dict[int, list[FrameFigures]] = {}
    rows = []
    for bitrate in request.bitrates_bps:
        for loss in sorted({0.0, *request.losses}):
            progress(f"{bitrate // 1000} kbit/s, loss {loss:.0%}")
            bursts = Bursts(loss, request.burst_frames, seed=request.seed)
            figures = run(make, frames, bitrate, fps, bursts)
            clean.setdefault(bitrate, figures)
            point = summarize(figures, fps, pixels, request.packet_overhead)
            row: dict[str, Any] = {"bitrate_bps": bitrate, "loss": loss} | _rounded(point)
            if loss:
                row["ssim_drop_db"] = round(loss_drop(clean[bitrate], figures, bursts), 3)
            rows.append(row)
    ours = [summarize(f, fps, pixels, request.packet_overhead) for f in clean.values()]
    against = {}
    for name in request.against:
        progress(name)
        theirs = classical_points(frames, name, fps, request)
        rate = bd_rate(theirs, ours)
        against[name] = {
            "points": [_rounded(p) for p in theirs],
            "bd_rate_percent": None if rate is None else round(rate, 1),
            "ssim_gain_db_at_equal_bytes": [round(p.ssim_db - at_rate(theirs, p.kbps), 3) for p in ours],
        }
    return {"frames": len(frames), "fps": fps, "size": f"{frames[0].width}x{frames[0].height}"} | {
        "packet_overhead_bytes": request.packet_overhead,
        "burst_frames": request.burst_frames,
        "anchor": request.anchor,
        "grace": rows,
        "against": against,
    }


LEVELS = (36, 52, 68, 84, 98, 112)  # fine rate levels of a sweep at one quality


def evaluate_levels(
    make: Callable[[int], PacketCodec], frames: Sequence[Frame], fps: float, request: Request, progress: Progress
) -> dict[str, Any]:
    """One quality throughout, on both sides: GRACE at fixed levels, classical codecs at fixed qualities, no loss.

    `make` gives a codec that stays at a fine level. SSIM gains are at the bitrates asked for, over all bytes."""
    pixels = frames[0].width * frames[0].height
    ours, rows = [], []
    for level in LEVELS:
        progress(f"level {level}")
        figures = run(lambda level=level: make(level), frames, UNBOUNDED_BPS, fps, Bursts(0.0))  # type: ignore[misc]
        ours.append(summarize(figures, fps, pixels, request.packet_overhead))
        rows.append({"level": level, "loss": 0.0} | _rounded(ours[-1]))
    against = {}
    for name in request.against:
        progress(name)
        theirs = classical_points(frames, name, fps, request)
        rate = bd_rate(theirs, ours)
        gains = [_gain(ours, theirs, bps / 1000) for bps in request.bitrates_bps]
        against[name] = {
            "points": [_rounded(p) for p in theirs],
            "bd_rate_percent": None if rate is None else round(rate, 1),
            "ssim_gain_db_at_equal_bytes": gains,
        }
    size = f"{frames[0].width}x{frames[0].height}"
    facts = {"frames": len(frames), "fps": fps, "size": size, "packet_overhead_bytes": request.packet_overhead}
    return facts | {"control": "level", "anchor": request.anchor, "grace": rows, "against": against}


def _gain(ours: Sequence[Point], theirs: Sequence[Point], kbps: float) -> float | None:
    """SSIM dB over a classical codec at a rate that both sweeps reach; None elsewhere."""
    rates = [[p.kbps for p in points] for points in (ours, theirs)]
    if not max(map(min, rates)) <= kbps <= min(map(max, rates)):
        return None
    return round(at_rate(ours, kbps) - at_rate(theirs, kbps), 3)


def _rounded(point: Point) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(point).items()}
