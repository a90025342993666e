"""Our payload header: golden bytes, limits, and bytes that are no payload of ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.errors import WireFormatError
from grace_transport.types import MediaPacket
from grace_transport.wire.media import MediaParser, build_media, mark_retransmitted, rtp_timestamp

PACKET = MediaPacket(0x1234, 0xABC, 0xDEF, 0xCAFEBABE, 7, False, 0, b"\xaa\xbb")
KEY = MediaPacket(0, 0, 1, 0, 1, True, 0, b"\xff")


@pytest.mark.parametrize(
    ("packet", "golden"),
    [
        (PACKET, "10" + "07" + "1234" + "abcdef" + "cafebabe" + "aabb"),
        (KEY, "11" + "01" + "0000" + "000001" + "00000000" + "ff"),
        (replace(KEY, retransmitted=True), "13" + "01" + "0000" + "000001" + "00000000" + "ff"),
    ],
)
def test_golden_bytes(packet: MediaPacket, golden: str) -> None:
    assert build_media(packet).hex() == golden
    assert MediaParser().parse(bytes.fromhex(golden), 0) == packet


def test_marking_as_retransmitted_changes_nothing_else() -> None:
    assert MediaParser().parse(mark_retransmitted(build_media(PACKET)), 0) == replace(PACKET, retransmitted=True)


def test_frame_ids_and_timestamps_are_unwrapped() -> None:
    parser = MediaParser()
    wrapped = [
        parser.parse(build_media(replace(PACKET, frame_id=frame_id)), ticks % 2**32)
        for frame_id, ticks in [(65_535, 2**32 - 3000), (65_536, 2**32), (65_537, 2**32 + 3000), (65_535, 2**32 - 3000)]
    ]
    assert [packet.frame_id for packet in wrapped] == [65_535, 65_536, 65_537, 65_535]
    assert [packet.captured_us - wrapped[0].captured_us for packet in wrapped] == [0, 33_333, 66_666, 0]


@given(st.integers(0, 40_000_000_000))
def test_captured_time_survives_the_90_khz_clock(captured_us: int) -> None:
    packet = MediaParser().parse(build_media(PACKET), rtp_timestamp(captured_us))
    assert 0 <= packet.captured_us - captured_us <= 12


@pytest.mark.parametrize("flags", [0x4, 0x8, 0xC])
def test_flags_of_later_versions_are_ignored(flags: int) -> None:
    data = build_media(PACKET)
    assert MediaParser().parse(bytes((data[0] | flags,)) + data[1:], 0) == PACKET


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "0 bytes"),
        ("1007123400000100000000", "11 bytes"),
        ("0007123400000100000000aa", "version 0"),
        ("2007123400000100000000aa", "version 2"),
        ("1007123400000000000000aa", "payload 0 of 0"),
        ("1007123400100100000000aa", "payload 1 of 1"),
        ("10071234ffffff00000000aa", "payload 4095 of 4095"),
        ("1107123400000100000001aa", "no parent"),
    ],
)
def test_what_is_no_payload_of_ours_is_rejected_with_a_reason(data: str, reason: str) -> None:
    with pytest.raises(WireFormatError, match=reason):
        MediaParser().parse(bytes.fromhex(data), 0)


def test_rejected_payload_moves_no_counter() -> None:
    parser = MediaParser()
    parser.parse(build_media(PACKET), 0)
    with pytest.raises(WireFormatError):
        parser.parse(bytes.fromhex("1007ffff00000000000000aa"), 2**31)
    assert parser.parse(build_media(PACKET), 0) == PACKET


@pytest.mark.parametrize(
    "packet",
    [
        replace(PACKET, index=0xDEF),
        replace(PACKET, index=-1),
        replace(PACKET, index=0, total=0),
        replace(PACKET, index=0, total=4096),
        replace(KEY, parent=1),
        replace(PACKET, payload=b""),
    ],
)
def test_packets_that_do_not_fit_are_refused(packet: MediaPacket) -> None:
    with pytest.raises(ValueError, match=r"payload|parent"):
        build_media(packet)


@given(
    st.integers(0, 2**16 - 1),
    st.integers(1, 4095),
    st.data(),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.booleans(),
    st.booleans(),
    st.binary(min_size=1, max_size=40),
)
def test_built_payloads_parse_back(
    frame_id: int,
    total: int,
    data: st.DataObject,
    parent: int,
    profile: int,
    key: bool,
    retransmitted: bool,
    payload: bytes,
) -> None:
    index = data.draw(st.integers(0, total - 1))
    packet = MediaPacket(frame_id, index, total, 0 if key else parent, profile, key, 0, payload, retransmitted)
    assert MediaParser().parse(build_media(packet), 0) == packet


@given(st.binary(max_size=40), st.integers(0, 2**32 - 1))
def test_arbitrary_bytes_parse_or_are_rejected(data: bytes, timestamp: int) -> None:
    for candidate in (data, b"\x10" + data):
        try:
            packet = MediaParser().parse(candidate, timestamp)
        except WireFormatError:
            continue
        assert candidate.endswith(packet.payload)
        assert 0 <= packet.index < packet.total <= 4095


def test_first_timestamp_is_taken_to_be_near_its_arrival() -> None:
    """A sender on the same machine, up for longer than the 13 hours after which the timestamp wraps."""
    captured_us = 3 * 24 * 3600 * 1_000_000
    payload = build_media(MediaPacket(7, 0, 1, 5, 0, False, 0, b"x"))
    parser = MediaParser()
    assert abs(parser.parse(payload, rtp_timestamp(captured_us), captured_us + 250_000).captured_us - captured_us) < 12
    later_us = captured_us + 40_000
    assert abs(parser.parse(payload, rtp_timestamp(later_us), 5).captured_us - later_us) < 12  # only the first asks
    assert 0 <= MediaParser().parse(payload, rtp_timestamp(captured_us)).captured_us < 2**32 * 100 // 9
