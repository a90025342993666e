"""What a call can be sent with: GRACE's profiles and what to compare them with, one row each in SCHEMES.

A scheme is made for the very frames that a call will play. Heavy imports happen when it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from grace_codec.api import PacketCodec
from grace_codec.clip import VideoClip

__all__ = ["SCHEMES", "MakeScheme", "Progress", "Scheme"]

Progress = Callable[[int, int], None]
"""Called with (done, total) while a scheme prepares itself; total may grow."""


class MakeScheme(Protocol):
    """Make one end of a call that plays the first `frame_count` frames of `clip`. Both ends are made alike."""

    def __call__(self, clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec: ...


@dataclass(frozen=True, slots=True)
class Scheme:
    """`idealised` says in a sentence for reports what the scheme does not pay for; "" where nothing is idealised.

    `pixels` is False where shown pictures have none (0x0): then a call has no SSIM and no PSNR."""

    make: MakeScheme
    description: str
    idealised: str = ""
    pixels: bool = True


def _stub(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
    from grace_codec.baselines.stub import StubCodec

    return StubCodec()


def _h265(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
    from grace_codec.baselines.h265 import h265_codec

    return h265_codec(clip, frame_count, progress=progress)


def _grace(profile: str) -> MakeScheme:
    def make(clip: VideoClip, frame_count: int, progress: Progress | None = None) -> PacketCodec:
        from grace_codec.grace import GraceCodec

        return GraceCodec.load(profile)

    return make


SCHEMES: Final[dict[str, Scheme]] = {
    "grace-lite": Scheme(_grace("grace-lite"), "GRACE for CPUs: any part of a frame decodes, references are resynced"),
    "grace-p": Scheme(_grace("grace-p"), "ablation of grace-lite: trained without loss"),
    "grace-d": Scheme(_grace("grace-d"), "ablation of grace-lite: only the decoder trained under loss"),
    "h265": Scheme(
        _h265,
        "H.265 (x265 fast, zerolatency), lost packets are sent again",
        "H.265 meets its bit budget on every frame as closely as a ladder of constant-quality encodes allows: changing "
        "the quality between frames costs nothing, and the decoder's state follows. Lost packets are sent again. "
        "The ladder ends at about 0.5 bit per pixel.",
    ),
    "stub": Scheme(
        _stub,
        "no pixels: payloads that fill the budget, any part of which counts as a picture",
        "The stub codes no picture: its delays, losses and stalls are those of a codec that always meets its budget.",
        pixels=False,
    ),
}
