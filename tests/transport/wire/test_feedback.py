"""Our feedback: golden bytes, growth, and bytes that are no feedback of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.errors import WireFormatError
from grace_transport.types import FrameReport, Nack, Pli
from grace_transport.wire.feedback import Item, build_feedback, is_frame_feedback, parse_feedback
from grace_transport.wire.rtcp import RtcpPacket, build_rtcp, split_compound

HEADER = "00000001" + "00000002" + b"GRCE".hex() + "01"  # sender, media, identifier, version


def build_one(*items: Item) -> bytes:
    (data,) = build_feedback(items, 1, 2)
    return data


def parse_one(data: bytes, newest_frame_id: int = 0) -> tuple[Item, ...]:
    (packet,) = split_compound(data)
    return parse_feedback(packet, newest_frame_id).items


@pytest.mark.parametrize(
    ("item", "golden"),
    [
        (FrameReport(6, 0xCAFEBABE, 10, 0b11_1111_0111), "100a" + "0006" + "000a" + "cafebabe" + "f703"),
        (FrameReport(7, 0x01020304, 10, 0b11_1111_1111), "1008" + "0007" + "100a" + "01020304"),
        (FrameReport(8, 0x0A0B0C0D, 0, 0), "1008" + "0008" + "1000" + "0a0b0c0d"),
        (Pli(9), "2002" + "0009"),
        (Nack(4, 0b1_0000_0001), "3004" + "0004" + "0101"),
        (Nack(5, 0), "3002" + "0005"),
    ],
)
def test_golden_bytes(item: Item, golden: str) -> None:
    data = build_one(item)
    assert data[:4].hex()[:4] in {"8fce", "afce"}
    assert data.hex()[8:].startswith(HEADER + "01" + golden)
    assert parse_one(data) == (item,)


def test_one_packet_carries_several_items() -> None:
    items = (FrameReport(6, 5, 3, 0b101), FrameReport(7, 9, 3, 0b111), Pli(7), Nack(3, 1))
    data = build_one(*items)
    assert data[4 + 13] == 4
    assert parse_one(data, 7) == items
    (packet,) = split_compound(data)
    assert parse_feedback(packet, 7).sender_ssrc == 1
    assert parse_feedback(packet, 7).media_ssrc == 2


def test_frame_ids_are_nearest_to_the_newest_sent() -> None:
    data = build_one(FrameReport(65_535, 1, 1, 1), FrameReport(65_536, 1, 1, 1), Pli(65_537))
    ids = [getattr(item, "frame_id", getattr(item, "last_frame_id", None)) for item in parse_one(data, 65_540)]
    assert ids == [65_535, 65_536, 65_537]


def test_items_of_unknown_type_are_passed_over() -> None:
    body = bytes.fromhex(HEADER + "03" + "f003aabbcc" + "0000" + "20020009")
    assert parse_one(build_rtcp(206, 15, body)) == (Pli(9),)


def test_content_that_a_later_version_appends_is_passed_over() -> None:
    body = bytes.fromhex(HEADER + "02" + "20040009aabb" + "100a" + "0007100301020304" + "ffff")
    assert parse_one(build_rtcp(206, 15, body)) == (Pli(9), FrameReport(7, 0x01020304, 3, 0b111))


def test_many_items_are_spread_over_packets() -> None:
    items = [FrameReport(frame_id, frame_id, 80, 1) for frame_id in range(300)]
    datagrams = build_feedback(items, 1, 2)
    assert len(datagrams) > 1
    assert max(map(len, datagrams)) <= 1200
    assert [item for data in datagrams for item in parse_one(data)] == items


def test_no_more_items_than_the_count_field_holds() -> None:
    items = [Pli(frame_id) for frame_id in range(300)]
    datagrams = build_feedback(items, 1, 2, max_bytes=10_000)
    assert [len(parse_one(data)) for data in datagrams] == [255, 45]


def test_nothing_to_say_is_no_packet() -> None:
    assert build_feedback([], 1, 2) == []


def test_longest_bitmap() -> None:
    report = FrameReport(1, 2, 4095, (1 << 4095) - 2)
    request = Nack(1, 1 << 4094)
    assert parse_one(build_one(report)) == (report,)
    assert parse_one(build_one(request)) == (request,)


@pytest.mark.parametrize(
    "item",
    [FrameReport(1, 2, 3, 8), FrameReport(1, 2, 4096, 0), FrameReport(1, 2, -1, 0), Nack(1, 1 << 4095)],
)
def test_items_that_do_not_fit_are_refused(item: Item) -> None:
    with pytest.raises(ValueError, match="payloads"):
        build_one(item)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (HEADER[:-2], "12 bytes"),
        (HEADER[:-2] + "02" + "00", "version 2"),
        (HEADER + "01", "before item 0 of 1"),
        (HEADER + "02" + "20020009" + "20", "before item 1 of 2"),
        (HEADER + "01" + "2fff0009", "4095 bytes"),
        (HEADER + "01" + "200109", "PLI of 1"),
        (HEADER + "01" + "300109", "NACK of 1"),
        (HEADER + "01" + "1007" + "00060003cafeba", "frame report of 7"),
        (HEADER + "01" + "1008" + "00060003cafebabe", "bitmap of 0 bytes about 3"),
        (HEADER + "01" + "100a" + "00060003cafebabe" + "0000", "bitmap of 2 bytes about 3"),
        (HEADER + "01" + "1009" + "00060003cafebabe" + "08", "bitmap of 4 bits about 3"),
        (HEADER + "01" + "3202" + "0006" + "ff" * 512, "bitmap of 4096 bits"),
    ],
)
def test_what_is_no_feedback_is_rejected_with_a_reason(body: str, reason: str) -> None:
    with pytest.raises(WireFormatError, match=reason):
        parse_one(build_rtcp(206, 15, bytes.fromhex(body)))


def test_other_feedback_is_not_ours() -> None:
    remb = RtcpPacket(206, 15, bytes(8) + b"REMB" + bytes(8))
    assert not is_frame_feedback(remb)
    with pytest.raises(WireFormatError, match="206/15"):
        parse_feedback(remb, 0)
    assert not is_frame_feedback(RtcpPacket(206, 1, bytes.fromhex(HEADER + "00")))
    assert not is_frame_feedback(RtcpPacket(205, 15, bytes.fromhex(HEADER + "00")))


frame_ids = st.integers(-0x7000, 0x7000)  # within reach of newest frame 0
totals = st.integers(0, 40) | st.integers(0, 4095)
reports = totals.flatmap(
    lambda total: st.builds(
        FrameReport, frame_ids, st.integers(0, 2**32 - 1), st.just(total), st.integers(0, (1 << total) - 1)
    )
)
items = reports | st.builds(Pli, frame_ids) | st.builds(Nack, frame_ids, st.integers(0, 2**100))


@given(st.lists(items, max_size=30), st.integers(20, 1200))
def test_built_items_parse_back(wanted: list[Item], max_bytes: int) -> None:
    assert [item for data in build_feedback(wanted, 1, 2, max_bytes) for item in parse_one(data)] == wanted


@given(st.binary(max_size=120), st.integers(-(2**20), 2**20))
def test_arbitrary_bytes_parse_or_are_rejected(data: bytes, newest_frame_id: int) -> None:
    for body in (data, bytes(8) + b"GRCE\x01" + data):
        try:
            feedback = parse_feedback(RtcpPacket(206, 15, body), newest_frame_id)
        except WireFormatError:
            continue
        assert len(feedback.items) <= 255
