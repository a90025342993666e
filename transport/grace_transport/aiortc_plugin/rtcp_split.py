"""Which RTCP packets of a datagram are for GRACE streams: transport-wide feedback and frame feedback. Pure.

aiortc's parser must not see them: it reads every RTPFB as a list of lost packets.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from grace_transport.errors import WireFormatError
from grace_transport.wire.feedback import is_frame_feedback
from grace_transport.wire.rtcp import split_compound
from grace_transport.wire.twcc import is_twcc

_SSRCS = Struct("!II")


class Split(NamedTuple):
    """`ours`: (media SSRC, the packet's bytes). `rest`: everything else, as it was; b"" if nothing is left."""

    ours: tuple[tuple[int, bytes], ...]
    rest: bytes


def split_rtcp(data: bytes) -> Split:
    """Take our packets out of one datagram. What is no valid compound is left whole: the other parser will say so."""
    try:
        packets = split_compound(data)
    except WireFormatError:
        return Split((), data)
    ours: list[tuple[int, bytes]] = []
    rest: list[bytes] = []
    pos = 0
    for packet in packets:
        end = pos + 4 + 4 * int.from_bytes(data[pos + 2 : pos + 4], "big")
        if (is_twcc(packet) or is_frame_feedback(packet)) and len(packet.body) >= _SSRCS.size:
            ours.append((_SSRCS.unpack_from(packet.body)[1], data[pos:end]))
        else:
            rest.append(data[pos:end])
        pos = end
    return Split(tuple(ours), b"".join(rest)) if ours else Split((), data)
