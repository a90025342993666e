"""Compound RTCP: splitting, padding, and bytes that are no RTCP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.errors import WireFormatError
from grace_transport.wire.rtcp import RtcpPacket, build_rtcp, is_rtcp, split_compound


def test_golden_bytes() -> None:
    assert build_rtcp(205, 15, b"abcd").hex() == "8fcd000161626364"
    assert build_rtcp(206, 1, b"").hex() == "81ce0000"


def test_body_is_padded_to_words() -> None:
    assert build_rtcp(206, 15, b"abcde").hex() == "afce00026162636465000003"
    assert split_compound(build_rtcp(206, 15, b"abcde")) == [RtcpPacket(206, 15, b"abcde")]


def test_compound_is_split_in_order() -> None:
    compound = build_rtcp(200, 0, bytes(24)) + build_rtcp(202, 1, bytes(8)) + build_rtcp(206, 15, b"x")
    assert [(packet.packet_type, packet.count, len(packet.body)) for packet in split_compound(compound)] == [
        (200, 0, 24),
        (202, 1, 8),
        (206, 15, 1),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "empty"),
        ("80cd00", "needs 4 bytes"),
        ("40cd0000", "version 1"),
        ("80cd0001", "1 words"),
        ("80cd000000000080cd0000"[:10], "needs 4 bytes"),
        ("a0cd0000", "padding of 0"),
        ("a0cd000100000000", "padding of 0"),
        ("a0cd000100000005", "padding of 5"),
        ("8fcd000161626364" + "81", "needs 4 bytes"),
    ],
)
def test_what_is_no_rtcp_is_rejected_with_a_reason(data: str, reason: str) -> None:
    with pytest.raises(WireFormatError, match=reason):
        split_compound(bytes.fromhex(data))


@pytest.mark.parametrize(("packet_type", "count"), [(206, 32), (206, -1), (256, 0)])
def test_fields_that_do_not_fit_are_refused(packet_type: int, count: int) -> None:
    with pytest.raises(ValueError, match="RTCP"):
        build_rtcp(packet_type, count, b"")


def test_rtp_and_rtcp_share_a_port() -> None:
    assert is_rtcp(build_rtcp(205, 15, bytes(16)))
    assert not is_rtcp(bytes.fromhex("8060") + bytes(10))
    assert not is_rtcp(bytes.fromhex("80e0") + bytes(10))  # marker and payload type 96
    assert not is_rtcp(b"")


@given(st.lists(st.tuples(st.integers(192, 223), st.integers(0, 31), st.binary(max_size=40)), min_size=1, max_size=5))
def test_built_compounds_split_back(parts: list[tuple[int, int, bytes]]) -> None:
    compound = b"".join(build_rtcp(*part) for part in parts)
    assert split_compound(compound) == [RtcpPacket(*part) for part in parts]


@given(st.binary(max_size=100))
def test_arbitrary_bytes_split_or_are_rejected(data: bytes) -> None:
    try:
        packets = split_compound(data)
    except WireFormatError:
        return
    assert sum(4 + len(packet.body) for packet in packets) <= len(data)
