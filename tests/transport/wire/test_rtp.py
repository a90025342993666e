"""RTP packets: golden bytes, extensions of others, and bytes that are no RTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.errors import WireFormatError
from grace_transport.wire.rtp import RtpPacket, build_rtp, parse_rtp

PLAIN = RtpPacket(96, 0x1234, 0x89ABCDEF, 0xDEADBEEF, b"hello", marker=True)
FIXED = "123489abcdefdeadbeef"  # sequence number, timestamp, SSRC
HELLO = b"hello".hex()


@pytest.mark.parametrize(
    ("packet", "extension_id", "golden"),
    [
        (PLAIN, None, "80e0" + FIXED + HELLO),
        (
            RtpPacket(96, 0x1234, 0x89ABCDEF, 0xDEADBEEF, b"hello", True, 0x4321),
            5,
            "90e0" + FIXED + "bede000151432100" + HELLO,
        ),
        (RtpPacket(96, 1, 2, 3, b"hello", padding_bytes=3), None, "a060000100000002" + "00000003" + HELLO + "000003"),
        (RtpPacket(0, 0, 0, 0, b""), None, "80" + "00" * 11),
    ],
)
def test_golden_bytes(packet: RtpPacket, extension_id: int | None, golden: str) -> None:
    assert build_rtp(packet, extension_id).hex() == golden
    assert parse_rtp(bytes.fromhex(golden), extension_id) == packet


def test_transport_seq_is_neither_written_nor_read_without_an_id() -> None:
    packet = RtpPacket(96, 1, 2, 3, b"x", transport_seq=9)
    assert build_rtp(packet) == build_rtp(RtpPacket(96, 1, 2, 3, b"x"))
    assert parse_rtp(build_rtp(packet, 5)).transport_seq is None


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        pytest.param("bede0002" + "10aa" + "514321" + "000000", 0x4321, id="other element first"),
        pytest.param("bede0002" + "0000" + "10aa" + "00" + "514321", 0x4321, id="padding between elements"),
        pytest.param("bede0001" + "12aabbcc", None, id="only another element"),
        pytest.param("bede0002" + "f0aa" + "514321" + "000000", None, id="id 15 ends the list"),
        pytest.param("10000002" + "01021111" + "05024321", 0x4321, id="two-byte form, others before"),
        pytest.param("100f0001" + "05024321", 0x4321, id="two-byte form with appbits"),
        pytest.param("10000002" + "0100" + "05024321" + "0000", 0x4321, id="two-byte form, empty element"),
        pytest.param(
            "bede0002" + "53" + "43218001" + "000000", 0x4321, id="version 2 of the extension, with a feedback request"
        ),
        pytest.param("abcd0001" + "514321ff", None, id="unknown profile"),
        pytest.param("bede0000", None, id="no elements"),
    ],
)
def test_extensions_of_others_are_tolerated(extensions: str, expected: int | None) -> None:
    packet = parse_rtp(bytes.fromhex("9060" + FIXED + extensions + HELLO), 5)
    assert packet.transport_seq == expected
    assert packet.payload == b"hello"


def test_csrcs_are_read_over() -> None:
    packet = parse_rtp(bytes.fromhex("9260" + FIXED + "0000000100000002" + "bede000151432100" + HELLO), 5)
    assert (packet.transport_seq, packet.payload) == (0x4321, b"hello")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "needs 12 bytes"),
        ("80e0" + FIXED[:-2], "needs 12 bytes"),
        ("40e0" + FIXED, "version 1"),
        ("82e0" + FIXED + "00000001", "run beyond"),
        ("90e0" + FIXED, "extension header"),
        ("90e0" + FIXED + "bede0002" + "51432100", "2 words"),
        ("90e0" + FIXED + "bede0001" + "57432100", "element runs beyond"),
        ("90e0" + FIXED + "10000001" + "05034321", "element runs beyond"),
        ("90e0" + FIXED + "10000001" + "00000005", "element runs beyond"),
        ("90e0" + FIXED + "bede0001" + "50430000", "1 bytes"),
        ("90e0" + FIXED + "10000001" + "05000000", "0 bytes"),
        ("a0e0" + FIXED + "00", "padding of 0"),
        ("a0e0" + FIXED + "05", "padding of 5"),
    ],
)
def test_what_is_no_rtp_is_rejected_with_a_reason(data: str, reason: str) -> None:
    with pytest.raises(WireFormatError, match=reason):
        parse_rtp(bytes.fromhex(data), 5)


def test_a_packet_of_padding_alone_is_empty() -> None:
    data = build_rtp(RtpPacket(96, 1, 2, 3, b"", transport_seq=7, padding_bytes=224), 3)
    assert len(data) == 12 + 8 + 224
    assert parse_rtp(data, 3).payload == b""


@pytest.mark.parametrize("extension_id", [0, 15, 16])
def test_extension_ids_that_do_not_exist_are_refused(extension_id: int) -> None:
    with pytest.raises(ValueError, match="1 to 14"):
        build_rtp(RtpPacket(96, 1, 2, 3, b"", transport_seq=1), extension_id)


def test_fields_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="0 to 127"):
        build_rtp(RtpPacket(128, 1, 2, 3, b""))


packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=64),
    st.booleans(),
    st.none() | st.integers(0, 2**16 - 1),
    st.integers(0, 255),
)


@given(packets, st.integers(1, 14))
def test_built_packets_parse_back(packet: RtpPacket, extension_id: int) -> None:
    assert parse_rtp(build_rtp(packet, extension_id), extension_id) == packet


@given(st.binary(max_size=80), st.none() | st.integers(1, 14), st.booleans())
def test_arbitrary_bytes_parse_or_are_rejected(data: bytes, extension_id: int | None, looks_right: bool) -> None:
    if looks_right and data:
        data = bytes((0x80 | data[0] & 0x3F,)) + data[1:12] + b"\xbe\xde\x00" + data[12:]
    try:
        packet = parse_rtp(data, extension_id)
    except WireFormatError:
        return
    assert packet.payload in data
