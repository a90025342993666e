"""Laws of taking our feedback out of a datagram."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from grace_transport.aiortc_plugin.routes import SplitRtcp, split_rtcp
from grace_transport.types import Pli
from grace_transport.wire.feedback import build_feedback
from grace_transport.wire.rtcp import PSFB, RTPFB, RtcpPacket, build_rtcp, parse_rtcp

SSRCS = struct.pack("!II", 1, 0xABCD)
TWCC = build_rtcp(RTPFB, 15, SSRCS + bytes(12))
REPORT = build_feedback([Pli(3)], 1, 0xABCD)[0]
NACK = build_rtcp(RTPFB, 1, SSRCS + bytes(4))
REMB = build_rtcp(PSFB, 15, SSRCS + b"REMB" + bytes(8))
RECEIVER_REPORT = build_rtcp(201, 0, bytes(4))


def ours(*packets: bytes) -> tuple[tuple[int, RtcpPacket], ...]:
    return tuple((0xABCD, parse_rtcp(packet)[0]) for packet in packets)


def test_ours_are_taken_out_of_a_compound_and_the_rest_stays_in_order() -> None:
    split = split_rtcp(RECEIVER_REPORT + TWCC + REMB + REPORT + NACK)
    assert split == SplitRtcp(ours(TWCC, REPORT), RECEIVER_REPORT + REMB + NACK)


def test_datagram_of_ours_alone_leaves_nothing() -> None:
    assert split_rtcp(TWCC + REPORT) == SplitRtcp(ours(TWCC, REPORT), b"")


def test_datagram_without_ours_is_left_as_it_is() -> None:
    for data in (NACK + REMB, b"", b"\x81", RECEIVER_REPORT):
        assert split_rtcp(data) == SplitRtcp((), data)


def test_damaged_compound_is_left_whole() -> None:
    damaged = TWCC + NACK[:-1]
    assert split_rtcp(damaged) == SplitRtcp((), damaged)


def test_feedback_too_short_for_its_ssrcs_is_not_ours() -> None:
    short = build_rtcp(RTPFB, 15, bytes(4))
    assert split_rtcp(short) == SplitRtcp((), short)


@given(st.lists(st.one_of(st.sampled_from([TWCC, REPORT, NACK, REMB, RECEIVER_REPORT]), st.binary(max_size=24))))
def test_what_is_not_ours_stays_in_order(parts: list[bytes]) -> None:
    """Of a valid compound exactly our packets are taken out; any other datagram is left whole."""
    data = b"".join(parts)
    split = split_rtcp(data)
    if split.ours:
        kept = [part for part in parts if part not in (TWCC, REPORT)]
        assert split.rest == b"".join(kept)
        assert split.ours == ours(*[part for part in parts if part in (TWCC, REPORT)])
    else:
        assert split.rest == data
