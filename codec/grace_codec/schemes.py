"""The schemes that a call can be sent with: GRACE's profiles, and codecs to compare them with; one row each in SCHEMES.

A scheme is made for the frames that a call will play; one with a `live` row can also be made without knowing them.
Heavy imports happen when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from grace_codec.api import LossResponse, PacketCodec
from grace_codec.media import VideoClip

__all__ = ["PAYLOAD_VERSION", "SCHEMES", "LiveScheme", "MakeScheme", "Progress", "Scheme", "live_scheme"]

PAYLOAD_VERSION: Final = 3
"""Version of the payloads (docs/bitstream.md), negotiated in a live call. It counts incompatible changes: version 1
predicted with triangular OBMC windows of two by two blocks, version 2 with windows of three by three; version 3 has
levels beyond the trained ones, and frames of one packet."""

Progress = Callable[[int, int], None]
"""Called with (done, total) while a scheme prepares itself; total may grow."""


class MakeScheme(Protocol):
    """Make one end of a call that plays the first `frame_count` frames of `clip`. Both ends are made alike."""

    def __call__(self, clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec: ...


@dataclass(frozen=True, slots=True)
class LiveScheme:
    """A scheme that needs no clip up front.

    make: one end of a call, whose frames may change their size with a key frame; the first one that a process makes of
    a profile is preceded by its warm-up. identity: the profile's number in packets, and the 32-bit checksum of weights
    and tables, which both ends must share; raises ModelError where they are missing. patches: the number of I-patches
    in payloads that this codec wrote or accepted. loss_response: as the codec's own."""

    make: Callable[[], PacketCodec]
    identity: Callable[[], tuple[int, int]]
    patches: Callable[[Iterable[bytes]], int]
    loss_response: LossResponse = LossResponse.RESYNC


@dataclass(frozen=True, slots=True)
class Scheme:
    """A row of SCHEMES. make: see MakeScheme. live: how to use it without a known clip, None where that is impossible.

    idealised: a sentence for reports on the costs that the scheme is spared; "" where there are none. pixels: False
    where the frames shown are empty (0x0), so that a call has no SSIM and no PSNR."""

    make: MakeScheme
    description: str
    idealised: str = ""
    pixels: bool = True
    live: LiveScheme | None = None


def _stub(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
    from grace_codec.baselines.stub import StubCodec

    return StubCodec()


def _h265(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
    from grace_codec.baselines.h265 import h265_codec

    return h265_codec(clip, frame_count, progress=progress)


def _live_x264() -> PacketCodec:
    from grace_codec.baselines.x264 import X264Codec

    return X264Codec()


def _x264_identity() -> tuple[int, int]:
    from grace_codec.baselines.x264 import X264Codec

    return X264Codec.wire_id, 0


def _x264(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
    return _live_x264()


def _grace(profile: str) -> MakeScheme:
    def make(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
        from grace_codec.grace.codec import GraceCodec

        return GraceCodec.load(profile)

    return make


_warm: set[str] = set()
"""Profiles that this process has warmed up."""


def _live_grace(profile: str) -> LiveScheme:
    def make() -> PacketCodec:
        from grace_codec.grace.codec import GraceCodec
        from grace_codec.runtime.warm_up import warm_up

        if profile not in _warm:
            _warm.add(profile)
            warm_up(partial(GraceCodec.load, profile))
        return GraceCodec.load(profile)

    def identity() -> tuple[int, int]:
        from grace_codec.grace.codec import identity_of

        return identity_of(profile)

    def patches(payloads: Iterable[bytes]) -> int:
        from grace_codec.grace.payload import carries_patch

        return sum(map(carries_patch, payloads))

    return LiveScheme(make, identity, patches)


def _live_stub() -> PacketCodec:
    from grace_codec.baselines.stub import StubCodec

    return StubCodec()


def live_scheme(name: str) -> LiveScheme:
    """The live row of scheme `name`. Raises ValueError, naming the schemes that can be used, where it has none."""
    scheme = SCHEMES.get(name)
    if scheme is None or scheme.live is None:
        known = ", ".join(name for name, row in SCHEMES.items() if row.live is not None)
        why = "there is no such scheme" if scheme is None else "it needs to know the clip beforehand"
        raise ValueError(f"scheme {name!r} cannot be used in a live call, {why}: use {known}")
    return scheme.live


SCHEMES: Final[dict[str, Scheme]] = {
    "grace-lite": Scheme(
        _grace("grace-lite"),
        "GRACE for CPUs: any part of a frame decodes, references are resynced",
        live=_live_grace("grace-lite"),
    ),
    "grace-p": Scheme(_grace("grace-p"), "ablation of grace-lite: trained without loss", live=_live_grace("grace-p")),
    "grace-d": Scheme(
        _grace("grace-d"), "ablation of grace-lite: only the decoder trained under loss", live=_live_grace("grace-d")
    ),
    "h265": Scheme(
        _h265,
        "H.265 (x265 fast, zerolatency), lost packets are sent again",
        "H.265 meets its bit budget on every frame as closely as a ladder of constant-quality encodes allows: changing "
        "the quality between frames costs nothing, and the decoder's state follows. Lost packets are sent again. "
        "The ladder ends at about 0.5 bit per pixel.",
    ),
    "x264": Scheme(
        _x264,
        "H.264 as a call sends it (x264 veryfast, zerolatency, its rate changed while it runs), lost packets are sent "
        "again",
        live=LiveScheme(_live_x264, _x264_identity, lambda payloads: 0, LossResponse.RETRANSMIT),
    ),
    "stub": Scheme(
        _stub,
        "no pixels: payloads that fill the budget, any part of which counts as a frame",
        "The stub codes no pixels: its delays, losses and stalls are those of a codec that always meets its budget.",
        pixels=False,
        live=LiveScheme(_live_stub, lambda: (0, 0), lambda payloads: 0),
    ),
}
