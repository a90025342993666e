"""GRACE in parsed descriptions: it travels with them, and is not among the codecs that an application sees there.

Applications that take a description apart (to drop a codec, to look at the first) were written for aiortc's own codecs;
they find those and no others, in the usual places. The text has GRACE, and so has what is negotiated. An application
that puts another list in the place of the parsed one drops GRACE, too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grace_transport.aiortc_plugin.negotiation import is_grace

if TYPE_CHECKING:
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters
    from aiortc.sdp import MediaDescription, SessionDescription


@dataclass(frozen=True, slots=True)
class Hidden:
    """A GRACE entry, and where it stood: among the codecs, and in the list of payload types (None: not in it)."""

    codec: RTCRtpCodecParameters
    place: int
    format_place: int | None


class VisibleCodecs(list["RTCRtpCodecParameters"]):
    """The codecs of a parsed description without GRACE, which is kept beside them."""

    def __init__(self, codecs: Iterable[RTCRtpCodecParameters], hidden: Sequence[Hidden]) -> None:
        super().__init__(codecs)
        self.hidden = tuple(hidden)


def hide(description: SessionDescription) -> SessionDescription:
    """Take GRACE out of sight, in place."""
    for media in description.media:
        codecs, formats = media.rtp.codecs, media.fmt
        hidden = [
            Hidden(codec, place, formats.index(codec.payloadType) if codec.payloadType in formats else None)
            for place, codec in enumerate(codecs)
            if is_grace(codec)
        ]
        if hidden:
            media.rtp.codecs = VisibleCodecs((codec for codec in codecs if not is_grace(codec)), hidden)
            places = {one.format_place for one in hidden}
            media.fmt = [number for place, number in enumerate(formats) if place not in places]
    return description


def all_codecs(codecs: list[RTCRtpCodecParameters]) -> list[RTCRtpCodecParameters]:
    """With what was hidden, where it was."""
    if not isinstance(codecs, VisibleCodecs):
        return codecs
    found = list(codecs)
    for one in codecs.hidden:
        found.insert(one.place, one.codec)
    return found


def shown(media: MediaDescription) -> MediaDescription:
    """A copy for writing, with nothing hidden."""
    if not isinstance(media.rtp.codecs, VisibleCodecs):
        return media
    whole = copy.copy(media)
    whole.rtp = replace(media.rtp, codecs=all_codecs(media.rtp.codecs))
    whole.fmt = list(media.fmt)
    for one in sorted(media.rtp.codecs.hidden, key=lambda one: one.format_place or 0):
        if one.format_place is not None:
            whole.fmt.insert(one.format_place, one.codec.payloadType)
    return whole
