"""GRACE in the SDP: its entries, whether two of them fit together, and hiding them from the application.

Versions, profile and model are in `fmtp`, so that peers that could not decode each other fall back before the call.

GRACE travels with parsed descriptions, but is not among the codecs that an application sees in them. Applications that
take a description apart (to drop a codec, or to look at the first) were written for aiortc's own codecs; they find
those and no others, in the usual places. The text of a description has GRACE, and so has what is negotiated. An
application that puts another list in the place of the parsed one drops GRACE, too.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from grace_transport.aiortc_plugin.contract import Identity
from grace_transport.wire.media import CLOCK_HZ, VERSION
from grace_transport.wire.rtp import TRANSPORT_SEQ_URI

if TYPE_CHECKING:
    from aiortc.rtcrtpparameters import (
        RTCRtpCodecCapability,
        RTCRtpCodecParameters,
        RTCRtpHeaderExtensionParameters,
        RTCRtpSendParameters,
    )
    from aiortc.sdp import MediaDescription, SessionDescription

T = TypeVar("T")

MIME_TYPE = "video/GRACE"
_DYNAMIC = range(97, 128)  # dynamic payload types (RFC 3551 section 6), from where aiortc counts its own video codecs
_logger = logging.getLogger(__name__)


def fmtp(identity: Identity) -> dict[str, int | str | None]:
    """`version=1;bitstream=2;profile=1;model=96d3a576`: versions of wire and payload format, profile, its checksum."""
    return {
        "version": str(VERSION),
        "bitstream": str(identity.bitstream),
        "profile": str(identity.profile),
        "model": f"{identity.model & 0xFFFFFFFF:08x}",
    }


def is_grace(codec: RTCRtpCodecParameters | RTCRtpCodecCapability) -> bool:
    """Whether an entry is GRACE's; names of media types are case-insensitive (RFC 4855 section 3)."""
    return codec.mimeType.lower() == MIME_TYPE.lower()


def fits(ours: RTCRtpCodecParameters, theirs: RTCRtpCodecParameters) -> bool:
    """Whether the ends of two GRACE entries can decode each other: all parameters of ours are the same in theirs.

    Parameters that we do not know are ignored."""
    return ours.clockRate == theirs.clockRate and all(
        theirs.parameters.get(key) == value for key, value in ours.parameters.items()
    )


def sole_entry(common: list[RTCRtpCodecParameters]) -> list[RTCRtpCodecParameters]:
    """The common codecs with one GRACE entry at most, and without a retransmission codec (`rtx`, RFC 4588) for it.

    aiortc's receiver would unwrap such retransmissions and hand them to a decoder, and it has none for GRACE."""
    ours = [codec for codec in common if is_grace(codec)]
    spare, numbers = ours[1:], {codec.payloadType for codec in ours}
    return [
        codec
        for codec in common
        if not any(codec is entry for entry in spare)
        and not (codec.name.lower() == "rtx" and codec.parameters.get("apt") in numbers)
    ]


def codec_entry(identity: Identity, known: Iterable[RTCRtpCodecParameters]) -> RTCRtpCodecParameters:
    """GRACE's codec entry, under the first dynamic payload type that none of `known` has."""
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
    """The entry as `setCodecPreferences` takes it."""
    from aiortc.rtcrtpparameters import RTCRtpCodecCapability

    return RTCRtpCodecCapability(mimeType=entry.mimeType, clockRate=entry.clockRate, parameters=entry.parameters)


def extension_entry(known: Mapping[str, Sequence[RTCRtpHeaderExtensionParameters]]) -> RTCRtpHeaderExtensionParameters:
    """The entry of the transport-wide sequence number, under the first id that no medium uses.

    Bundled media share one space of ids (RFC 9143)."""
    from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters

    taken = {extension.id for extensions in known.values() for extension in extensions}
    return RTCRtpHeaderExtensionParameters(
        id=next(number for number in range(1, 15) if number not in taken), uri=TRANSPORT_SEQ_URI
    )


def usable_parameters(parameters: RTCRtpSendParameters) -> RTCRtpSendParameters:
    """The parameters that can be used: without transport-wide sequence numbers the peer gets the next codec.

    GRACE needs them as a one-byte header extension (RFC 8285 section 4.2: ids 1 to 14)."""
    if any(found.uri == TRANSPORT_SEQ_URI and 1 <= found.id <= 14 for found in parameters.headerExtensions):
        return parameters
    others = [codec for codec in parameters.codecs if not is_grace(codec)]
    if len(others) < len(parameters.codecs) and others:
        _logger.warning("the peer knows GRACE, but no transport-wide sequence numbers: sending %s", others[0])
        return replace(parameters, codecs=others)
    return parameters


def packet_codec(agreed: Sequence[RTCRtpCodecParameters], ffmpeg_name: str) -> RTCRtpCodecParameters:
    """The agreed codec that takes packets of this one (vp8, h264); without one the first beside GRACE, as without the
    plug-in."""
    others = [codec for codec in agreed if not is_grace(codec)] or agreed
    return next((codec for codec in others if codec.name.lower() == ffmpeg_name), others[0])


class Extended(Mapping[str, list[Any]]):
    """aiortc's table of codecs or extensions by kind, with rows added to those of video. The table itself stays."""

    def __init__(self, table: Mapping[str, list[Any]], before: Sequence[Any] = (), after: Sequence[Any] = ()) -> None:
        self._table, self._before, self._after = table, before, after

    def __getitem__(self, kind: str) -> list[Any]:
        rows = self._table[kind]
        return [*self._before, *rows, *self._after] if kind == "video" else rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


# -- parsed descriptions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hidden:
    """A GRACE entry and where it stood: index among the codecs, and in the list of payload types (None: not there)."""

    codec: RTCRtpCodecParameters
    place: int
    format_place: int | None


class VisibleCodecs(list["RTCRtpCodecParameters"]):
    """The codecs of a parsed description without GRACE; `hidden` keeps GRACE's entries."""

    def __init__(self, codecs: Iterable[RTCRtpCodecParameters], hidden: Sequence[Hidden]) -> None:
        super().__init__(codecs)
        self.hidden = tuple(hidden)


def hide(description: SessionDescription) -> SessionDescription:
    """Hide GRACE in a parsed description, in place."""
    for media in description.media:
        codecs, formats = media.rtp.codecs, media.fmt
        hidden = [
            Hidden(codec, place, formats.index(codec.payloadType) if codec.payloadType in formats else None)
            for place, codec in enumerate(codecs)
            if is_grace(codec)
        ]
        if hidden:
            media.rtp.codecs = VisibleCodecs((codec for codec in codecs if not is_grace(codec)), hidden)
            places = {entry.format_place for entry in hidden}
            media.fmt = [number for place, number in enumerate(formats) if place not in places]
    return description


def all_codecs(codecs: list[RTCRtpCodecParameters]) -> list[RTCRtpCodecParameters]:
    """The codecs with hidden ones put back where they were."""
    if not isinstance(codecs, VisibleCodecs):
        return codecs
    found = list(codecs)
    for entry in codecs.hidden:
        found.insert(entry.place, entry.codec)
    return found


def shown(media: MediaDescription) -> MediaDescription:
    """A copy of a media section for writing, with nothing hidden."""
    if not isinstance(media.rtp.codecs, VisibleCodecs):
        return media
    whole = copy.copy(media)
    whole.rtp = replace(media.rtp, codecs=all_codecs(media.rtp.codecs))
    whole.fmt = list(media.fmt)
    for entry in sorted(media.rtp.codecs.hidden, key=lambda entry: entry.format_place or 0):
        if entry.format_place is not None:
            whole.fmt.insert(entry.format_place, entry.codec.payloadType)
    return whole
