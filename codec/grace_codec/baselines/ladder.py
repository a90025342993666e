"""The same frames encoded at many qualities, dense enough that a budget always finds a fitting version of a frame.

Owns building, keeping and decoding the rungs. Knows no packets on the wire.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from os import cpu_count
from typing import Final

import numpy as np
import numpy.typing as npt

from grace_codec.baselines.cache import StreamCache, stream_key
from grace_codec.baselines.classical import ClassicalStream, Quality, encode_clip
from grace_codec.media import VideoClip
from grace_codec.types import Frame, Planes

CODEC: Final = "libx265"
WORST_CRF: Final = 51
DECODED_BYTES: Final = 512 << 20
MAX_KEYS: Final = 64


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """Which qualities to encode: CRFs `probes` from coarse to fine until `max_bpp` bits per pixel are passed, and
    between two probes as many more as keep the rate from growing by more than `step`. Rates below `min_bps` and above
    `max_bpp` are not refined: 0.52 is the top of the paper's range, 12 Mbit/s at 1280x720 and 25 fps.

    The finest, CRF 9, is an SSIM of about 26 dB (PSNR 54 dB): nobody tells it from the source."""

    probes: tuple[float, ...] = (51, 45, 39, 33, 27, 21, 15, 9)
    step: float = 1.2
    min_bps: float = 50_000
    max_bpp: float = 0.52


@dataclass(frozen=True, slots=True)
class Rung:
    """One encode of all frames. `bps` leaves out the first frame, which is intra coded."""

    crf: float
    bps: float
    stream: ClassicalStream


class Ladder:
    """Rungs of `length` frames, coarse to fine. A looped clip repeats: frame `length` is frame 1 again.

    Decoded frames and extra key frames are made when asked for and kept up to a bound."""

    def __init__(self, clip: VideoClip, length: int, loops: bool, rungs: tuple[Rung, ...]) -> None:
        self.length = length
        self.rungs = rungs
        self.fps = clip.fps
        self._clip = clip
        self._loops = loops
        self.sizes: npt.NDArray[np.int64] = np.array([[len(p) for p in rung.stream.packets] for rung in rungs])
        self._decoders: dict[int, _ForwardDecoder] = {}
        self._decoded: OrderedDict[tuple[int, int], Planes] = OrderedDict()
        self._decoded_limit = max(1, DECODED_BYTES // (clip.width * clip.height * 3 // 2))
        self._keys: OrderedDict[tuple[int, int], ClassicalStream] = OrderedDict()

    def index_of(self, frame_id: int) -> int | None:
        """Which frame of the ladder frame `frame_id` of the call is; None: the ladder does not reach that far."""
        if 0 <= frame_id < self.length:
            return frame_id
        if self._loops and frame_id >= self.length > 1:
            return 1 + (frame_id - 1) % (self.length - 1)
        return None

    def holds(self, frame: Frame, index: int) -> bool:
        """Whether `frame` is the one that was encoded as frame `index`."""
        return np.array_equal(frame.y, self._clip.frame(index).y)

    def packet(self, rung: int, index: int) -> bytes:
        """NAL units of one frame; frame 0 is an IDR, all others are P-frames."""
        return self.rungs[rung].stream.packets[index]

    def decoded(self, rung: int, index: int) -> Planes:
        """The planes that a decoder of this rung shows for frame `index`."""
        wanted = (rung, index)
        if wanted not in self._decoded:
            decoder = self._decoders.get(rung)
            if decoder is None or decoder.position > index:
                decoder = self._decoders[rung] = _ForwardDecoder(self.rungs[rung].stream)
            while decoder.position <= index:
                self._keep((rung, decoder.position), decoder.next_frame())
        self._decoded.move_to_end(wanted)
        return self._decoded[wanted]

    def _keep(self, name: tuple[int, int], planes: Planes) -> None:
        self._decoded[name] = planes
        while len(self._decoded) > self._decoded_limit:
            self._decoded.popitem(last=False)

    def key(self, index: int, crf: int) -> ClassicalStream:
        """Frame `index` alone, intra coded: one packet."""
        name = (index, crf)
        if name not in self._keys:
            self._keys[name] = encode_clip([self._clip.frame(index)], CODEC, Quality(crf), self.fps)
            while len(self._keys) > MAX_KEYS:
                self._keys.popitem(last=False)
        self._keys.move_to_end(name)
        return self._keys[name]


class _ForwardDecoder:
    """Decodes a rung in order; `position` is the frame that comes next."""

    def __init__(self, stream: ClassicalStream) -> None:
        self._frames = stream.decoded()
        self.position = 0

    def next_frame(self) -> Planes:
        self.position += 1
        return next(self._frames)


def build_ladder(
    clip: VideoClip,
    frame_count: int,
    *,
    plan: LadderPlan | None = None,
    cache: StreamCache | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Ladder:
    """Encode the first `frame_count` frames of the clip, or load them where that was done before.

    Rungs are encoded in `workers` threads (the encoder lets the interpreter go), one encoder thread each."""
    plan = plan or LadderPlan()
    length = max(clip.distinct_frames(frame_count), min(frame_count, 2))
    encode = _CachedEncoder(clip, length, cache or StreamCache())
    steps = _Steps(progress, len(plan.probes))
    with ThreadPoolExecutor(workers or min(8, cpu_count() or 1)) as pool:
        max_bps = plan.max_bpp * clip.width * clip.height * clip.fps
        rungs = _probed(pool, encode, plan.probes, max_bps, steps)
        between = [crf for pair in pairwise(rungs) for crf in refinements(*pair, plan, max_bps)]
        steps.expect(len(rungs) + len(between))
        for rung in pool.map(encode, between):
            steps.step()
            rungs.append(rung)
    rungs.sort(key=lambda rung: -rung.crf)
    return Ladder(clip, length, loops=frame_count > length, rungs=tuple(rungs))


def _probed(
    pool: ThreadPoolExecutor, encode: _CachedEncoder, probes: tuple[float, ...], max_bps: float, steps: _Steps
) -> list[Rung]:
    """The probes from coarse to fine, as far as they are wanted; one more may be encoded than is kept."""
    rungs: list[Rung] = []
    ahead = [pool.submit(encode, crf) for crf in probes[:2]]
    for index in range(len(probes)):
        rungs.append(ahead[index].result())
        steps.step()
        if rungs[-1].bps > max_bps:
            break
        if index + 2 < len(probes):
            ahead.append(pool.submit(encode, probes[index + 2]))
    return rungs


def refinements(coarse: Rung, fine: Rung, plan: LadderPlan, max_bps: float) -> list[float]:
    """CRFs between two rungs that raise the rate in steps of about `plan.step` (log rate is nearly linear)."""
    ratio = fine.bps / max(coarse.bps, 1.0)
    parts = math.ceil(math.log(max(ratio, 1.0)) / math.log(plan.step))
    wanted = []
    for part in range(1, parts):
        if plan.min_bps / plan.step <= coarse.bps * ratio ** (part / parts) <= max_bps:
            crf = coarse.crf + (fine.crf - coarse.crf) * part / parts
            wanted.append(round(crf * 8) / 8)
    return sorted(set(wanted) - {coarse.crf, fine.crf}, reverse=True)


class _Steps:
    """Tells `progress` how many rungs are done, of how many as far as is known."""

    def __init__(self, progress: Callable[[int, int], None] | None, expected: int) -> None:
        self._progress = progress
        self._done, self._total = 0, expected

    def expect(self, total: int) -> None:
        self._total = total

    def step(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))


class _CachedEncoder:
    """CRF -> rung of the clip's first `length` frames. May be called from several threads."""

    def __init__(self, clip: VideoClip, length: int, cache: StreamCache) -> None:
        self._clip, self._length, self._cache = clip, length, cache
        self._lock = threading.Lock()  # a clip is not thread-safe
        self._digest = self._frames_digest()

    def __call__(self, crf: float) -> Rung:
        rate = Quality(crf)
        key = stream_key(self._digest, CODEC, rate, self._clip.fps)
        stream = self._cache.load(key)
        if stream is None:
            stream = encode_clip(self._frames(), CODEC, rate, self._clip.fps)
            self._cache.store(key, stream)
        later = stream.packets[1:] or stream.packets
        return Rung(crf, sum(map(len, later)) * 8 * self._clip.fps / len(later), stream)

    def _frames(self) -> Iterator[Frame]:
        for index in range(self._length):
            with self._lock:
                frame = self._clip.frame(index)
            yield frame

    def _frames_digest(self) -> str:
        digest = hashlib.sha256(f"{self._clip.width}x{self._clip.height}:{self._length}".encode())
        for frame in self._frames():
            for plane in (frame.y, frame.u, frame.v):
                digest.update(plane.tobytes())
        return digest.hexdigest()
