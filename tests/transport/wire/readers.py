"""All parsers that a packet from outside goes through, by kind of packet, for tests with hostile bytes."""

from collections.abc import Callable
from typing import Final

from grace_transport.wire.feedback import is_frame_feedback, parse_feedback
from grace_transport.wire.media import MediaParser
from grace_transport.wire.rtcp import split_compound
from grace_transport.wire.rtp import parse_rtp
from grace_transport.wire.twcc import TwccReader, is_twcc, parse_twcc


def read_rtcp(data: bytes) -> None:
    for packet in split_compound(data):
        if is_twcc(packet):
            TwccReader().read(parse_twcc(packet), 0x8000)
        elif is_frame_feedback(packet):
            parse_feedback(packet, 0)


def read_rtp(data: bytes) -> None:
    for extension_id in (None, 1, 5):
        packet = parse_rtp(data, extension_id)
    MediaParser().parse(packet.payload, packet.timestamp)


READERS: Final[dict[str, Callable[[bytes], None]]] = {"rtcp": read_rtcp, "rtp": read_rtp}
"""Each raises WireFormatError for bytes that it refuses."""
