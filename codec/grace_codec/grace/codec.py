"""GRACE as a packet codec: frames to payloads, any subset of payloads to a frame. Owns how model, entropy coder,
I-patches and rate control work together; refuses to know packets on the wire.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grace_codec import profiles
from grace_codec.api import LossResponse
from grace_codec.entropy.coder import Geometry, LatentCoder
from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.entropy.mapping import MAX_PACKETS
from grace_codec.entropy.tables import Tables
from grace_codec.entropy.tables import load as load_tables
from grace_codec.errors import ModelError
from grace_codec.grace.av1_still import AV1, MAX_CRF, MIN_CRF, decode_still, encode_still
from grace_codec.grace.intra_refresh import PatchCandidate, PatchPolicy, PatchScanner, apply_patch, decode_patch
from grace_codec.grace.payload import (
    HEADER_BYTES,
    KEY_HEADER_BYTES,
    PATCH_HEADER_BYTES,
    Context,
    KeyChunk,
    Patch,
    PredictedPayload,
    RejectedError,
    carries_patch,
    join_key,
    patch_is_last,
    read_key,
    read_predicted,
    write_key,
    write_predicted,
)
from grace_codec.grace.rate import FILL_AIM, FILL_HIGH, FILL_LOW, FrameQuantizer, RateControl, packets_for
from grace_codec.models.api import Analysis, VideoModel
from grace_codec.runtime.thread_pool import BackgroundTask
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, Planes, ReceivedFrame, Reference

MOTION_BITS = 12  # of a vector that is not zero: a first guess, which the rate control corrects
TRIES = 4  # of entropy coding a frame until it fills its budget
ENOUGH = 0.86  # of the budget: one fine level is 3 % of it, but 15 % for a still picture
HELD_FRAMES = 12  # whose latents are kept for replay


@dataclass(frozen=True, slots=True)
class Picture:
    """A reference: what a decoder shows."""

    planes: Planes


@dataclass(frozen=True, slots=True)
class _Held:
    """A frame's payloads with what they decode to; `host` is the payload with the I-patch, −1 where none is."""

    payloads: Mapping[int, bytes]
    total: int
    packets: int  # with latents
    latents: Latents
    patch: Patch | None
    host: int


@dataclass(frozen=True, slots=True)
class _Opened:
    """The payloads of a P-frame that were accepted, decoded."""

    latents: ReceivedLatents
    patch: Patch | None
    used: frozenset[int]


def tables_path(profile: str, folder: Path = profiles.WEIGHTS) -> Path:
    return folder / f"{profile}.tables.json"


class GraceCodec:
    """Both ends of a call with one profile. `model` and `tables` must belong together; `identity` of both is checked
    in every payload."""

    loss_response = LossResponse.RESYNC

    def __init__(self, model: VideoModel, tables: Tables, patches: PatchPolicy | None = None) -> None:
        """`patches`: None for the default policy."""
        profile = model.profile
        chroma = tables.channels - tables.luma
        if (tables.luma, chroma) != (profile.luma_frequencies, 2 * profile.chroma_frequencies):
            raise ValueError(f"tables for {tables.luma} + {chroma} channels do not fit profile {profile.name}")
        self.name = profile.name
        self._model, self._profile = model, profile
        self._coder = LatentCoder(tables, profile.levels)
        self.identity = profile.model_id ^ tables.checksum
        self._rate = RateControl(profile.levels)
        self._policy = patches or PatchPolicy()
        self._scanner = PatchScanner(self._policy)
        self._held = _HeldLatents(self._coder)
        self._key_crf = 32
        self._level: int | None = None

    @classmethod
    def load(cls, profile: str, backend: str | None = None, patches: PatchPolicy | None = None) -> GraceCodec:
        """A profile with the weights and tables that ship. Raises ModelError or BackendError, saying what to do."""
        return cls(profiles.load(profile, backend), load_tables(tables_path(profile)), patches)

    @property
    def wire_id(self) -> int:
        return self._profile.wire_id

    def fix_level(self, level: int | None) -> None:
        """Code every P-frame at this fine level whatever the budget; None: by budget. ValueError out of range."""
        if level is not None and not 0 <= level < self._profile.levels:
            raise ValueError(f"level {level}: {self.name} has levels 0 to {self._profile.levels - 1}")
        self._level = level
        if level is not None:
            self._key_crf = min(max(round(30 - 0.35 * level), MIN_CRF), MAX_CRF)

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """Raises ValueError where the reference is of another picture size, or not this codec's."""
        planes = (frame.y, frame.u, frame.v)
        if reference is None:
            return self._encode_key(frame.frame_id, planes, budget)
        parent = _planes(reference)
        next_patch = BackgroundTask(lambda: self._scanner.next_patch(planes, budget))
        try:
            analysis = self._model.analyse(planes, parent)
        finally:
            candidate = next_patch.result()

        def reconstruct(latents: Latents) -> BackgroundTask[Planes]:
            return BackgroundTask(lambda: self._model.reconstruct(parent, complete(latents)).planes)

        latents, payloads, picture = self._fill(analysis, candidate, (frame.width, frame.height), budget, reconstruct)
        host = next((j for j, data in enumerate(payloads) if carries_patch(data)), -1)
        sent, refresh = (candidate.patch, candidate.refresh) if candidate and host >= 0 else (None, None)
        total = len(payloads)
        packets = total - patch_is_last(payloads[0])
        self._held.add(frame.frame_id, _Held(dict(enumerate(payloads)), total, packets, latents, sent, host))
        shown = picture.result()
        apply_patch(shown, refresh)
        self._scanner.on_frame(shown, planes, sent)
        return CodedFrame(frame.frame_id, False, payloads, Picture(_frozen(shown)))

    def _fill(
        self,
        analysis: Analysis,
        candidate: PatchCandidate | None,
        size: tuple[int, int],
        budget: Budget,
        reconstruct: Callable[[Latents], BackgroundTask[Planes]],
    ) -> tuple[Latents, tuple[bytes, ...], BackgroundTask[Planes]]:
        """The finest latents whose payloads fit the budget, and the picture they make. The first try fits most often:
        payloads and picture are made at the same time."""
        profile, rate = self._profile, self._rate
        patch = candidate.patch if candidate else None
        quantizer = FrameQuantizer(analysis.residual, self._model.steps, profile.luma_frequencies, rate.finest())
        motion_bytes = MOTION_BITS / 8 * np.count_nonzero(analysis.motion.any(0))
        room = budget.frame_bytes - (len(patch.data) + PATCH_HEADER_BYTES if patch else 0)
        if self._level is not None:
            latents = quantizer.latents(analysis.motion, self._level)
            picture, expected = reconstruct(latents), quantizer.bits(self._level) / 8
            return latents, self._pack(latents, patch, size, budget.max_payload_bytes, expected), picture
        best: tuple[Latents, tuple[bytes, ...], BackgroundTask[Planes]] | None = None
        best_size, most = 0, profile.levels - 1
        level, sparing = -1, quantizer.sparing
        for _ in range(TRIES):
            last = level, sparing
            level = rate.search(quantizer, motion_bytes, FILL_AIM * room, budget.max_payload_bytes)
            level, sparing = min(level, most), quantizer.sparing
            if (level, sparing) == last:  # anything more would be too much
                if best or not level:
                    break
                level -= 1
            latents = quantizer.latents(analysis.motion, level)
            estimated = rate.estimate(quantizer, level, motion_bytes, budget.max_payload_bytes)
            patch_bytes = budget.frame_bytes - room
            picture = reconstruct(latents)
            payloads = self._pack(latents, patch, size, budget.max_payload_bytes, estimated + patch_bytes)
            total = sum(map(len, payloads))
            rate.learn(estimated, total - patch_bytes, rate.fixed_bytes * len(payloads))
            if best_size < total <= FILL_HIGH * budget.frame_bytes:
                best, best_size = (latents, payloads, picture), total
            if total > FILL_HIGH * budget.frame_bytes:
                most = level - (level == last[0])  # the same level may fit with higher thresholds
            if most < 0 or (best_size == total and (total >= ENOUGH * budget.frame_bytes or level == most)):
                break
            picture.settle()
        picture.settle()  # the model is for one at a time
        if best is None:
            patch = patch if candidate and candidate.due else None
            latents, payloads = self._squeeze(latents, patch, size, budget)
            best = latents, payloads, reconstruct(latents)
        rate.level = best[0].level
        return best

    def _squeeze(
        self, latents: Latents, patch: Patch | None, size: tuple[int, int], budget: Budget
    ) -> tuple[Latents, tuple[bytes, ...]]:
        """For budgets below the coarsest level: leave out channels from the back of the coding order, then motion."""
        tables = self._coder.tables
        keep = tables.channels
        while keep:
            keep //= 2
            wanted = np.zeros(tables.channels, np.bool_)
            wanted[tables.order[:keep]] = True
            luma = wanted[: tables.luma].repeat(4)
            kept = np.concatenate([luma, wanted[tables.luma :]])[:, None, None]
            latents = Latents(latents.motion, np.where(kept, latents.residual, 0).astype(np.int16), latents.level)
            payloads = self._pack(latents, patch, size, budget.max_payload_bytes, budget.frame_bytes)
            if sum(map(len, payloads)) <= FILL_HIGH * budget.frame_bytes:
                return latents, payloads
        latents = Latents(np.zeros_like(latents.motion), latents.residual, latents.level)
        return latents, self._pack(latents, patch, size, budget.max_payload_bytes, budget.frame_bytes)

    def _pack(
        self, latents: Latents, patch: Patch | None, size: tuple[int, int], max_payload: int, expected_bytes: float
    ) -> tuple[bytes, ...]:
        """Payloads of at most `max_payload` bytes; the I-patch goes with the smallest stream, or alone."""
        moving = bool(latents.motion.any())
        packets = packets_for(expected_bytes, max_payload) if moving or latents.residual.any() else 1
        while True:
            streams = self._coder.encode(latents, packets)
            if max(map(len, streams)) + HEADER_BYTES <= max_payload or packets == MAX_PACKETS - 1:
                break
            packets = min(max(packets + 1, packets_for(sum(map(len, streams)), max_payload)), MAX_PACKETS - 1)
        sizes = [len(stream) for stream in streams]
        host = sizes.index(min(sizes))
        patch_bytes = len(patch.data) + PATCH_HEADER_BYTES if patch else 0
        apart = min(sizes) + patch_bytes + HEADER_BYTES > max_payload
        level = latents.level
        parts = [
            PredictedPayload(level, moving, stream, patch if j == host and not apart else None, apart)
            for j, stream in enumerate(streams)
        ]
        if apart:
            parts.append(PredictedPayload(level, moving, b"", patch, apart))
        total = len(parts)
        return tuple(write_predicted(part, self._context(size, j, total)) for j, part in enumerate(parts))

    def _context(self, size: tuple[int, int], index: int, total: int) -> Context:
        return Context(self._profile.wire_id, self.identity & 0xFFFFFFFF, *size, index, total)

    def _encode_key(self, frame_id: int, planes: Planes, budget: Budget) -> CodedFrame:
        """A still picture of the best quality that fits; the worst quality where none does."""
        low, high, data = MIN_CRF, MAX_CRF + 1, b""  # low: fits or untried; high: does not fit
        crf = self._key_crf
        coded: dict[int, bytes] = {}
        if self._level is not None:
            return self._key(frame_id, planes, encode_still(planes, crf), budget)
        frame_bytes = min(budget.frame_bytes, MAX_PACKETS * budget.max_payload_bytes)
        room = frame_bytes - KEY_HEADER_BYTES - HEADER_BYTES * (1 + frame_bytes // budget.max_payload_bytes)
        for _ in range(5):
            coded[crf] = data = encode_still(planes, crf)
            if len(data) > room:
                low = crf + 1
            else:
                high = crf
            if low >= high or FILL_LOW * room <= len(data) <= room:
                break
            guess = crf + round(10 * np.log2(len(data) / max(1, FILL_AIM * room)))  # bytes halve in about 10 steps
            crf = int(min(max(guess, low), high - 1 if high > MIN_CRF else MIN_CRF, MAX_CRF))
            if crf in coded:
                break
        fitting = [c for c, d in coded.items() if len(d) <= room]
        self._key_crf = min(fitting) if fitting else max(coded)
        if not fitting:
            self._key_crf = MAX_CRF
            coded.setdefault(MAX_CRF, encode_still(planes, MAX_CRF))
        return self._key(frame_id, planes, coded[self._key_crf], budget)

    def _key(self, frame_id: int, planes: Planes, data: bytes, budget: Budget) -> CodedFrame:
        height, width = planes[0].shape
        payloads = write_key(AV1, (width, height), data, self._context((0, 0), 0, 1), budget.max_payload_bytes)
        shown = decode_still(data, width, height)
        if shown is None:
            raise ValueError(f"the AV1 encoder made a {width}x{height} picture that does not decode")
        self._scanner.on_key_frame(shown, planes)
        return CodedFrame(frame_id, True, payloads, Picture(_frozen(shown)))

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        if received.key:
            return self._decode_key(received, reference)
        if not isinstance(reference, Picture):
            reasons = dict.fromkeys(received.payloads, "a P-frame without a reference")
            return Decoded(None, reference, frozenset(), reasons)
        opened, rejected = self._open(received, reference)
        if opened is None:
            return Decoded(None, reference, frozenset(), rejected)
        parent = reference.planes
        shown = self._shown(opened, parent, lambda: self._model.reconstruct(parent, opened.latents).planes)
        return Decoded(Frame(received.frame_id, 0, *shown), Picture(shown), opened.used, rejected)

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        if received.key:
            return self._decode_key(received, reference).reference or reference
        parent = _planes(reference)
        opened, _ = self._open(received, Picture(parent))
        if opened is None:
            return reference
        return Picture(self._shown(opened, parent, lambda: self._model.replay(parent, opened.latents)))

    def _shown(self, opened: _Opened, parent: Planes, make: Callable[[], Planes]) -> Planes:
        """The picture that `make` gives, of the parent's size, refreshed by the patch."""
        patch = opened.patch
        if patch is None:
            return _frozen(make())
        height, width = parent[0].shape
        refresh = BackgroundTask(lambda: decode_patch(patch, height, width, self._policy.period))
        planes = make()
        apply_patch(planes, refresh.result())
        return _frozen(planes)

    def _open(self, received: ReceivedFrame, reference: Picture) -> tuple[_Opened | None, dict[int, str]]:
        """Check and entropy-decode what arrived. Payloads of the same frame must agree; the first one rules."""
        if held := self._held.find(received):
            return held, {}
        height, width = reference.planes[0].shape
        good, rejected = self._read(received, (width, height))
        if not good:
            return None, rejected
        first = good[min(good)]
        packets = received.total - first.patch_last
        streams = {j: payload.stream for j, payload in good.items() if j < packets}
        blocks = Geometry(-(-height // 16), -(-width // 16), first.level, packets)
        latents = self._coder.decode(streams, blocks, first.moving)
        host = min((j for j in good if good[j].patch), default=-1)
        patch = good[host].patch if host >= 0 else None
        payloads = {j: received.payloads[j] for j in good}
        whole = Latents(latents.motion, latents.residual, latents.level)
        self._held.add(received.frame_id, _Held(payloads, received.total, packets, whole, patch, host))
        return _Opened(latents, patch, frozenset(good)), rejected

    def _read(
        self, received: ReceivedFrame, size: tuple[int, int]
    ) -> tuple[dict[int, PredictedPayload], dict[int, str]]:
        good: dict[int, PredictedPayload] = {}
        rejected: dict[int, str] = {}
        for j, data in sorted(received.payloads.items()):
            try:
                payload = read_predicted(data, self._context(size, j, received.total))
                if payload.level >= self._profile.levels:
                    raise RejectedError(f"rate level {payload.level} of {self._profile.levels}")
                first = good[min(good)] if good else payload
                if _frame_facts(payload) != _frame_facts(first):
                    raise RejectedError("disagrees with the frame's other payloads")
            except RejectedError as error:
                rejected[j] = str(error)
            else:
                good[j] = payload
        return good, rejected

    def _decode_key(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        chunks: dict[int, KeyChunk] = {}
        rejected: dict[int, str] = {}
        for j, data in received.payloads.items():
            try:
                chunks[j] = read_key(data, self._context((0, 0), j, received.total))
            except RejectedError as error:
                rejected[j] = str(error)
        used = frozenset(chunks)
        shown = None
        if chunks and len(chunks) == received.total:
            try:
                shown = _still([chunks[j] for j in range(received.total)])
            except RejectedError as error:
                return Decoded(None, reference, frozenset(), rejected | dict.fromkeys(chunks, str(error)))
        if shown is None:
            return Decoded(None, reference, used, rejected)
        planes = _frozen(shown)
        return Decoded(Frame(received.frame_id, 0, *planes), Picture(planes), used, rejected)


class _HeldLatents:
    """Latents of the newest frames, so that a replay does not decode them again."""

    def __init__(self, coder: LatentCoder) -> None:
        self._coder = coder
        self._frames: OrderedDict[int, _Held] = OrderedDict()

    def add(self, frame_id: int, held: _Held) -> None:
        self._frames[frame_id] = held
        self._frames.move_to_end(frame_id)
        while len(self._frames) > HELD_FRAMES:
            self._frames.popitem(last=False)

    def find(self, received: ReceivedFrame) -> _Opened | None:
        """The latents of these very payloads, where all of them were decoded before."""
        held = self._frames.get(received.frame_id)
        if held is None or held.total != received.total or not received.payloads:
            return None
        if any(held.payloads.get(j) != data for j, data in received.payloads.items()):
            return None
        patch = held.patch if held.host in received.payloads else None
        if len(received.payloads) == held.total:
            return _Opened(complete(held.latents), patch, frozenset(received.payloads))
        arrived = np.zeros(held.packets, np.bool_)
        arrived[[j for j in received.payloads if j < held.packets]] = True
        return _Opened(self._coder.subset(held.latents, arrived), patch, frozenset(received.payloads))


def identity_of(profile: str) -> tuple[int, int]:
    """(wire id, identity) that `GraceCodec.load(profile)` will have, without its networks. Raises ModelError."""
    if profile not in profiles.PROFILES:
        raise ModelError(f"unknown profile {profile!r}; there are {', '.join(profiles.PROFILES)}")
    digest = profiles.read_weights(profile).sha256
    return profiles.PROFILES[profile].wire_id, int(digest[:8], 16) ^ load_tables(tables_path(profile)).checksum


def complete(latents: Latents) -> ReceivedLatents:
    """Latents of which nothing was lost."""
    masks = np.ones(latents.motion.shape, np.bool_), np.ones(latents.residual.shape, np.bool_)
    return ReceivedLatents(latents.motion, latents.residual, *masks, latents.level)


def _still(chunks: list[KeyChunk]) -> Planes:
    """The picture of a complete key frame. Raises RejectedError where the chunks are not one."""
    if any(chunk.codec != AV1 for chunk in chunks):
        raise RejectedError(f"key frame of codec {chunks[0].codec}, not {AV1} (AV1)")
    width, height = chunks[0].size or (0, 0)
    shown = decode_still(join_key(chunks), width, height)
    if shown is None:
        raise RejectedError(f"key frame is no AV1 picture of {width}x{height}")
    return shown


def _frame_facts(payload: PredictedPayload) -> tuple[int, bool, bool]:
    """What all payloads of a frame must say alike."""
    return payload.level, payload.moving, payload.patch_last


def _planes(reference: Reference) -> Planes:
    if not isinstance(reference, Picture):
        raise ValueError(f"a {type(reference).__name__} is no reference of this codec")
    return reference.planes


def _frozen(planes: Planes) -> Planes:
    for plane in planes:
        plane.flags.writeable = False
    return planes
