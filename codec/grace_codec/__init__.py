"""Frames in, independently decodable packets out, frames back from any subset of them. Knows no network.

The names below are the public API. Importing the package imports none of its heavy dependencies (torch, numba, OpenCV,
PyAV, OpenVINO); a name's module is imported when the name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grace_codec._lazy import lazy_exports

if TYPE_CHECKING:
    from grace_codec.api import LossResponse, PacketCodec
    from grace_codec.errors import BackendError, BitstreamError, ClipError, CodecError, ModelError
    from grace_codec.files.container import StreamReader, StreamWriter
    from grace_codec.grace.codec import GraceCodec
    from grace_codec.grace.intra_refresh import PatchPolicy
    from grace_codec.media import ClipOptions, VideoClip, open_clip
    from grace_codec.profiles import PROFILES
    from grace_codec.schemes import SCHEMES, LiveScheme, Scheme, live_scheme
    from grace_codec.types import Budget, CodedFrame, Decoded, Frame, Plane, ReceivedFrame, Reference

__all__ = [
    "PROFILES",
    "SCHEMES",
    "BackendError",
    "BitstreamError",
    "Budget",
    "ClipError",
    "ClipOptions",
    "CodecError",
    "CodedFrame",
    "Decoded",
    "Frame",
    "GraceCodec",
    "LiveScheme",
    "LossResponse",
    "ModelError",
    "PacketCodec",
    "PatchPolicy",
    "Plane",
    "ReceivedFrame",
    "Reference",
    "Scheme",
    "StreamReader",
    "StreamWriter",
    "VideoClip",
    "live_scheme",
    "open_clip",
]
_EXPORTS: Final = {
    "api": (
        "LossResponse",
        "PacketCodec",
    ),
    "errors": (
        "BackendError",
        "BitstreamError",
        "ClipError",
        "CodecError",
        "ModelError",
    ),
    "files.container": (
        "StreamReader",
        "StreamWriter",
    ),
    "grace.codec": ("GraceCodec",),
    "grace.intra_refresh": ("PatchPolicy",),
    "media.clip": (
        "VideoClip",
        "open_clip",
    ),
    "media.video_file": ("ClipOptions",),
    "profiles": ("PROFILES",),
    "schemes": (
        "SCHEMES",
        "LiveScheme",
        "Scheme",
        "live_scheme",
    ),
    "types": (
        "Budget",
        "CodedFrame",
        "Decoded",
        "Frame",
        "Plane",
        "ReceivedFrame",
        "Reference",
    ),
}

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _EXPORTS)
