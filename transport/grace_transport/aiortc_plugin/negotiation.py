"""How GRACE stands in the SDP: codec entry, `fmtp`, header extension, and when two entries fit together.

Version, profile and model are in `fmtp`, so that peers that could not decode each other fall back before the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from grace_transport.aiortc_plugin.contract import Identity
from grace_transport.wire.media import CLOCK_HZ, VERSION
from grace_transport.wire.rtp import TRANSPORT_SEQ_URI

if TYPE_CHECKING:
    from aiortc.rtcrtpparameters import (
        RTCRtpCodecCapability,
        RTCRtpCodecParameters,
        RTCRtpHeaderExtensionParameters,
    )

T = TypeVar("T")

MIME_TYPE = "video/GRACE"
_DYNAMIC = range(97, 128)  # RFC 3551 6, from where aiortc counts its own video codecs


def fmtp(identity: Identity) -> dict[str, int | str | None]:
    """`version=1;bitstream=2;profile=1;model=96d3a576`: wire, payload format, profile, its numbers."""
    return {
        "version": str(VERSION),
        "bitstream": str(identity.bitstream),
        "profile": str(identity.profile),
        "model": f"{identity.model & 0xFFFFFFFF:08x}",
    }


def is_grace(codec: RTCRtpCodecParameters | RTCRtpCodecCapability) -> bool:
    return codec.mimeType.lower() == MIME_TYPE.lower()


def fits(ours: RTCRtpCodecParameters, theirs: RTCRtpCodecParameters) -> bool:
    """Whether two GRACE entries are of ends that can decode each other. Parameters that we do not know are ignored."""
    return ours.clockRate == theirs.clockRate and all(
        theirs.parameters.get(key) == value for key, value in ours.parameters.items()
    )


def sole_entry(common: list[RTCRtpCodecParameters]) -> list[RTCRtpCodecParameters]:
    """What was agreed on, with one GRACE entry at most and none of aiortc's retransmissions (`rtx`) for it, which its
    receiver would hand to a decoder that it has not."""
    ours = [codec for codec in common if is_grace(codec)]
    spare, numbers = ours[1:], {codec.payloadType for codec in ours}
    return [
        codec
        for codec in common
        if not any(codec is one for one in spare)
        and not (codec.name.lower() == "rtx" and codec.parameters.get("apt") in numbers)
    ]


def codec_entry(identity: Identity, known: Iterable[RTCRtpCodecParameters]) -> RTCRtpCodecParameters:
    """Ours, under the first payload type that none of `known` has."""
    from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters

    taken = {codec.payloadType for codec in known}
    return RTCRtpCodecParameters(
        mimeType=MIME_TYPE,
        clockRate=CLOCK_HZ,
        payloadType=next(number for number in _DYNAMIC if number not in taken),
        rtcpFeedback=[RTCRtcpFeedback(type="transport-cc")],
        parameters=fmtp(identity),
    )


def codec_capability(entry: RTCRtpCodecParameters) -> RTCRtpCodecCapability:
    from aiortc.rtcrtpparameters import RTCRtpCodecCapability

    return RTCRtpCodecCapability(mimeType=entry.mimeType, clockRate=entry.clockRate, parameters=entry.parameters)


def extension_entry(known: Mapping[str, Sequence[RTCRtpHeaderExtensionParameters]]) -> RTCRtpHeaderExtensionParameters:
    """The transport-wide sequence number, under the first id that no medium uses: BUNDLE shares the ids."""
    from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters

    taken = {extension.id for extensions in known.values() for extension in extensions}
    return RTCRtpHeaderExtensionParameters(
        id=next(number for number in range(1, 15) if number not in taken), uri=TRANSPORT_SEQ_URI
    )


class Extended(Mapping[str, list[Any]]):
    """aiortc's table of codecs or extensions with something before or after that of video; the table stays as it is."""

    def __init__(self, table: Mapping[str, list[Any]], before: Sequence[Any] = (), after: Sequence[Any] = ()) -> None:
        self._table, self._before, self._after = table, before, after

    def __getitem__(self, kind: str) -> list[Any]:
        rows = self._table[kind]
        return [*self._before, *rows, *self._after] if kind == "video" else rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
