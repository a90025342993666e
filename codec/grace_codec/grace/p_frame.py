"""P-frames: the encode loop that fills a frame's budget, and decoding from whatever payloads arrived.

```
frame, reference --analyse--> motion, residual --quantize at a level--> latents --pack--> payloads
                                      ^                                             |
                                      '---- RateControl: another level, if needed <-'
```
Owns that loop. Which level to try is the rate control's decision, how latents become payloads the packer's, and what
latents look like as a frame the model's: each can be replaced on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from grace_codec.entropy.latents import Latents, complete
from grace_codec.entropy.tables import Tables
from grace_codec.grace.intra_refresh import PatchCandidate, apply_patch, decode_patch
from grace_codec.grace.latent_cache import CachedFrame, LatentCache
from grace_codec.grace.packing import FramePacker, UnpackedFrame
from grace_codec.grace.payload import PATCH_HEADER_BYTES, Patch, carries_patch, patch_is_last
from grace_codec.grace.rate import FILL_AIM, FILL_HIGH, MotionPrice, RateControl
from grace_codec.models.api import Analysis, VideoModel
from grace_codec.models.quantizer import NOT_RAISED, FrameQuantizer, RaisedDeadZone
from grace_codec.motion.field import Motion, coarsened
from grace_codec.runtime.thread_pool import BackgroundTask
from grace_codec.types import Budget, Planes, ReceivedFrame

MOTION_BITS = 12  # per vector that is not zero: a first guess, which the rate control's ratio corrects
MAX_SEARCHES = 4  # for motion, each dearer than the one before, until a frame fits its budget
MAX_ATTEMPTS = 4  # entropy codings of one frame
ENOUGH = 0.86  # part of the budget that ends the search: a fine level is 3 % of size, but 15 % in still scenes


@dataclass(frozen=True, slots=True)
class PFrame:
    """A P-frame while it is being coded: what all attempts at it share. parent: planes of the reference."""

    motion: Motion
    quantizer: FrameQuantizer
    parent: Planes
    patch: Patch | None
    budget: Budget

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px"""
        height, width = self.parent[0].shape
        return width, height

    @property
    def patch_bytes(self) -> int:
        return len(self.patch.data) + PATCH_HEADER_BYTES if self.patch else 0

    @property
    def motion_bytes(self) -> float:
        return float(MOTION_BITS / 8 * np.count_nonzero(self.motion.any(0)))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A P-frame coded at one level. decoded: the planes that all payloads but the I-patch decode to, in the making."""

    latents: Latents
    payloads: tuple[bytes, ...]
    decoded: BackgroundTask[Planes]

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.payloads))


class PFrameEncoder:
    """Codes P-frames within their budgets. State between frames is in the rate control and in the cache."""

    def __init__(self, model: VideoModel, packer: FramePacker, rate: RateControl, cache: LatentCache) -> None:
        self._model, self._packer, self._rate, self._cache = model, packer, rate, cache
        self._price = MotionPrice()

    def encode(
        self,
        frame_id: int,
        planes: Planes,
        parent: Planes,
        next_patch: BackgroundTask[PatchCandidate | None],
        budget: Budget,
        level: int | None,
    ) -> tuple[tuple[bytes, ...], Planes, Patch | None]:
        """Payloads, the planes that a decoder shows which gets all of them, and the I-patch that is among them.

        next_patch: the I-patch to send where there is room; level: None to fill the budget, else the level to use."""
        try:
            analysis = self._analyse(planes, parent, self._rate.level if level is None else level)
        finally:
            candidate = next_patch.result()
        frame = self._p_frame(analysis, parent, candidate, budget)
        if level is None:
            coded = self._fit(frame, planes, candidate)
        else:
            coded = self._attempt(frame, level, NOT_RAISED, frame.quantizer.bits(level) / 8)
        self._price.decay()
        host = next((j for j, data in enumerate(coded.payloads) if carries_patch(data)), -1)
        sent, refresh = (candidate.patch, candidate.refresh) if candidate and host >= 0 else (None, None)
        total = len(coded.payloads)
        packets = total - patch_is_last(coded.payloads[0])
        payloads = dict(enumerate(coded.payloads))
        self._cache.add(frame_id, CachedFrame(payloads, total, packets, coded.latents, sent, host))
        shown = coded.decoded.result()
        apply_patch(shown, refresh)
        return coded.payloads, shown, sent

    def _analyse(self, planes: Planes, parent: Planes, level: int) -> Analysis:
        """Motion at today's price, and the residual. level: what the frame will probably be quantized at."""
        return self._model.analyse(planes, parent, self._price.sad_per_bit(float(self._model.steps(level)[0])))

    def _p_frame(self, analysis: Analysis, parent: Planes, candidate: PatchCandidate | None, budget: Budget) -> PFrame:
        luma_frequencies = self._model.profile.luma_frequencies
        quantizer = FrameQuantizer(analysis.residual, self._model.steps, luma_frequencies, self._rate.finest())
        return PFrame(analysis.motion, quantizer, parent, candidate.patch if candidate else None, budget)

    def _fit(self, frame: PFrame, planes: Planes, candidate: PatchCandidate | None) -> Attempt:
        """Fill the budget; where nothing fits, search motion again at a higher price; at last leave things out."""
        for _ in range(MAX_SEARCHES - 1):
            coded, latents = self._fill_budget(frame)
            if coded is not None or not self._price.rise():
                break
            frame = self._p_frame(self._analyse(planes, frame.parent, 0), frame.parent, candidate, frame.budget)
        else:
            coded, latents = self._fill_budget(frame)
        due = candidate is not None and candidate.due
        return coded or self._squeeze(frame, latents, frame.patch if due else None)

    def _fill_budget(self, frame: PFrame) -> tuple[Attempt | None, Latents]:
        """The largest attempt that fits the budget, of at most MAX_ATTEMPTS, or None; and the latents tried last."""
        rate, budget = self._rate, frame.budget
        limit, room = FILL_HIGH * budget.frame_bytes, budget.frame_bytes - frame.patch_bytes
        most = self._model.profile.levels - 1  # the finest level that is not known to be too much
        level, dead_zone = -1, NOT_RAISED
        best: Attempt | None = None
        for _ in range(MAX_ATTEMPTS):
            before = level, dead_zone
            choice = rate.search(frame.quantizer, frame.motion_bytes, FILL_AIM * room, budget)
            level, dead_zone = min(choice.level, most), choice.dead_zone
            if (level, dead_zone) == before:  # as before: by the estimate, anything finer would be too much
                if best or not level:
                    break
                level -= 1
            estimated = rate.estimate(frame.quantizer, level, frame.motion_bytes, budget, dead_zone)
            attempt = self._attempt(frame, level, dead_zone, estimated + frame.patch_bytes)
            size = attempt.size_bytes
            rate.learn(estimated, size - frame.patch_bytes, len(attempt.payloads))
            if size > limit:
                most = level - (level == before[0])  # once more at this level: it may fit with a raised dead zone
            elif best is None or size > best.size_bytes:
                best = attempt
            is_best = best is not None and best.size_bytes == size
            done = is_best and (size >= ENOUGH * budget.frame_bytes or level == most)
            attempt.decoded.settle()  # the model is not thread-safe: one reconstruction at a time
            if most < 0 or done:
                break
        rate.level = (best or attempt).latents.level
        return best, attempt.latents

    def _attempt(self, frame: PFrame, level: int, dead_zone: RaisedDeadZone, expected_bytes: float) -> Attempt:
        """Code a frame at a level. Reconstruction runs beside packing: the first attempt is mostly the last one."""
        latents = frame.quantizer.latents(frame.motion, level, dead_zone)
        decoded = self._reconstruct(frame.parent, latents)
        payloads = self._packer.pack(latents, frame.patch, frame.size, frame.budget, expected_bytes)
        return Attempt(latents, payloads, decoded)

    def _reconstruct(self, parent: Planes, latents: Latents) -> BackgroundTask[Planes]:
        return BackgroundTask(lambda: self._model.reconstruct(parent, complete(latents)).planes)

    def _squeeze(self, frame: PFrame, latents: Latents, patch: Patch | None) -> Attempt:
        """For budgets below the coarsest level: leave out channels from the back of the coding order, then coarsen the
        motion field, at last leave motion out."""
        budget = frame.budget
        for sparse in _ever_sparser(latents, self._packer.coder.tables):
            payloads = self._packer.pack(sparse, patch, frame.size, budget, budget.frame_bytes)
            if sum(map(len, payloads)) <= FILL_HIGH * budget.frame_bytes:
                break
        return Attempt(sparse, payloads, self._reconstruct(frame.parent, sparse))


COARSER_CELLS = (2, 4, 8)  # blocks a side that share a vector, where motion alone does not fit


def _ever_sparser(latents: Latents, tables: Tables) -> Iterator[Latents]:
    """Latents that take fewer and fewer bytes, down to nothing at all."""
    keep = tables.channels
    while keep:
        keep //= 2
        latents = _first_channels(latents, tables, keep)
        yield latents
    for cell in COARSER_CELLS:
        yield Latents(coarsened(latents.motion, cell), latents.residual, latents.level)
    yield Latents(np.zeros_like(latents.motion), latents.residual, latents.level)


def _first_channels(latents: Latents, tables: Tables, keep: int) -> Latents:
    """Latents whose channels are zero but for the first `keep` in coding order."""
    wanted = np.zeros(tables.channels, np.bool_)
    wanted[tables.order[:keep]] = True
    by_residual_channel = np.concatenate([wanted[: tables.luma].repeat(4), wanted[tables.luma :]])
    residual = np.where(by_residual_channel[:, None, None], latents.residual, 0).astype(np.int16)
    return Latents(latents.motion, residual, latents.level)


class PFrameDecoder:
    """Decodes P-frames from any subset of their payloads. refresh_period: regions of a scan of I-patches, at most."""

    def __init__(self, model: VideoModel, packer: FramePacker, cache: LatentCache, refresh_period: int) -> None:
        self._model, self._packer, self._cache, self._refresh_period = model, packer, cache, refresh_period

    def unpack(self, received: ReceivedFrame, parent: Planes) -> tuple[UnpackedFrame | None, dict[int, str]]:
        """The payloads that are accepted, decoded (None where there is none), and why the others are rejected."""
        if cached := self._cache.find(received):
            return cached, {}
        height, width = parent[0].shape
        accepted = self._packer.accept(received, (width, height))
        if not accepted.parsed:
            return None, accepted.rejected
        frame = self._packer.unpack(accepted, received.total, (width, height))
        payloads = {j: received.payloads[j] for j in accepted.parsed}
        packets = received.total - accepted.parsed[min(accepted.parsed)].patch_last
        latents = Latents(frame.latents.motion, frame.latents.residual, frame.latents.level)
        cached_frame = CachedFrame(payloads, received.total, packets, latents, frame.patch, accepted.host)
        self._cache.add(received.frame_id, cached_frame)
        return frame, accepted.rejected

    def decode(self, frame: UnpackedFrame, parent: Planes) -> Planes:
        """The planes that the frame shows: the model's reconstruction, its I-patch on top."""
        return self._refreshed(frame.patch, parent, lambda: self._model.reconstruct(parent, frame.latents).planes)

    def replay(self, frame: UnpackedFrame, parent: Planes) -> Planes:
        """As `decode` without any network, for a reference that is derived again (paper B.1)."""
        return self._refreshed(frame.patch, parent, lambda: self._model.replay(parent, frame.latents))

    def _refreshed(self, patch: Patch | None, parent: Planes, make: Callable[[], Planes]) -> Planes:
        """What `make` returns with the I-patch on top, which is decoded meanwhile."""
        if patch is None:
            return make()
        height, width = parent[0].shape
        refresh = BackgroundTask(lambda: decode_patch(patch, height, width, self._refresh_period))
        planes = make()
        apply_patch(planes, refresh.result())
        return planes
