"""GRACE as a packet codec: frames to payloads, any subset of payloads to a frame. Sends each call to the coder of key
frames or of P-frames and keeps the I-patch scanner informed; refuses to know packets on the wire.
"""

from __future__ import annotations

from pathlib import Path

from grace_codec import profiles
from grace_codec.api import LossResponse
from grace_codec.entropy.coder import LatentCoder
from grace_codec.entropy.tables import Tables
from grace_codec.entropy.tables import load as load_tables
from grace_codec.errors import ModelError
from grace_codec.grace.intra_refresh import PatchPolicy, PatchScanner
from grace_codec.grace.key_frame import KeyFrameCoder
from grace_codec.grace.latent_cache import LatentCache
from grace_codec.grace.p_frame import PFrameDecoder, PFrameEncoder
from grace_codec.grace.packing import FramePacker
from grace_codec.grace.payload import CodecIdentity
from grace_codec.grace.rate import RateControl
from grace_codec.grace.reference import GraceReference, frozen, planes_of
from grace_codec.models.api import VideoModel
from grace_codec.runtime.thread_pool import BackgroundTask
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, Planes, ReceivedFrame, Reference


class GraceCodec:
    """Both ends of a call with one profile. Not thread-safe: it keeps a rate control, a patch scanner and a cache.

    name, wire_id: the profile's. identity: checksum of weights and tables, which every payload's checksum covers.

    From the outside in: this class dispatches; `PFrameEncoder` and `PFrameDecoder` (p_frame.py) and `KeyFrameCoder`
    (key_frame.py) code; `RateControl` (rate.py) decides levels; `FramePacker` (packing.py) makes payloads out of what
    `LatentCoder` (entropy) writes; `VideoModel` (models) estimates motion and runs the networks."""

    loss_response = LossResponse.RESYNC

    def __init__(self, model: VideoModel, tables: Tables, patches: PatchPolicy | None = None) -> None:
        """patches: when I-patches are sent, None for the default. Raises ValueError where the tables are of another
        number of channels than the model."""
        profile = model.profile
        chroma = tables.channels - tables.luma
        if (tables.luma, chroma) != (profile.luma_frequencies, 2 * profile.chroma_frequencies):
            raise ValueError(f"tables for {tables.luma} + {chroma} channels do not fit profile {profile.name}")
        self.name, self.wire_id = profile.name, profile.wire_id
        self.identity = profile.model_id ^ tables.checksum
        identity = CodecIdentity(self.wire_id, self.identity & 0xFFFFFFFF)
        policy = patches or PatchPolicy()
        packer = FramePacker(LatentCoder(tables, profile.trained_levels), identity, profile.levels)
        cache = LatentCache(packer.coder)
        self._model, self._levels = model, profile.levels
        self._scanner = PatchScanner(policy)
        self._key_frames = KeyFrameCoder(identity)
        self._encoder = PFrameEncoder(model, packer, RateControl(profile.levels), cache)
        self._decoder = PFrameDecoder(model, packer, cache, policy.period)
        self._fixed_level: int | None = None

    @classmethod
    def load(cls, profile: str, backend: str | None = None, patches: PatchPolicy | None = None) -> GraceCodec:
        """A profile with the weights and tables that ship. Raises ModelError or BackendError, saying what to do."""
        return cls(profiles.load(profile, backend), load_tables(tables_path(profile)), patches)

    def fix_level(self, level: int | None) -> None:
        """Code every P-frame at this fine level, and key frames at a quality to match, whatever the budget. None: by
        budget again. Raises ValueError where the profile has no such level."""
        if level is not None:
            if not 0 <= level < self._levels:
                raise ValueError(f"level {level}: {self.name} has levels 0 to {self._levels - 1}")
            self._key_frames.fix_level(level)
        self._fixed_level = level

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """Raises ValueError where the reference is of another frame size, or not this codec's."""
        planes = (frame.y, frame.u, frame.v)
        if reference is None:
            return self._encode_key_frame(frame.frame_id, planes, budget)
        parent = planes_of(reference)
        next_patch = BackgroundTask(lambda: self._scanner.next_patch(planes, budget))
        payloads, shown, sent = self._encoder.encode(
            frame.frame_id, planes, parent, next_patch, budget, self._fixed_level
        )
        self._scanner.on_frame(shown, planes, sent)
        return CodedFrame(frame.frame_id, False, payloads, GraceReference(frozen(shown)))

    def _encode_key_frame(self, frame_id: int, planes: Planes, budget: Budget) -> CodedFrame:
        encode = self._key_frames.encode if self._fixed_level is None else self._key_frames.encode_fixed
        payloads, shown = encode(planes, budget)
        self._scanner.on_key_frame(shown, planes)
        return CodedFrame(frame_id, True, payloads, GraceReference(frozen(shown)))

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        if received.key:
            return self._key_frames.decode(received, reference)
        if not isinstance(reference, GraceReference):
            reasons = dict.fromkeys(received.payloads, "a P-frame without a reference")
            return Decoded(None, reference, frozenset(), reasons)
        unpacked, rejected = self._decoder.unpack(received, reference.planes)
        if unpacked is None:
            return Decoded(None, reference, frozenset(), rejected)
        shown = frozen(self._decoder.decode(unpacked, reference.planes))
        return Decoded(Frame(received.frame_id, 0, *shown), GraceReference(shown), unpacked.used, rejected)

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        """Raises ValueError where the reference is not this codec's."""
        if received.key:
            return self._key_frames.decode(received, reference).reference or reference
        parent = planes_of(reference)
        unpacked, _ = self._decoder.unpack(received, parent)
        return reference if unpacked is None else GraceReference(frozen(self._decoder.replay(unpacked, parent)))


def tables_path(profile: str, folder: Path = profiles.WEIGHTS) -> Path:
    """The file of a profile's entropy tables."""
    return folder / f"{profile}.tables.json"


def identity_of(profile: str) -> tuple[int, int]:
    """(wire id, identity) that `GraceCodec.load(profile)` will have, without its networks. Raises ModelError."""
    if profile not in profiles.PROFILES:
        raise ModelError(f"unknown profile {profile!r}; there are {', '.join(profiles.PROFILES)}")
    digest = profiles.read_weights(profile).sha256
    return profiles.PROFILES[profile].wire_id, int(digest[:8], 16) ^ load_tables(tables_path(profile)).checksum
