"""Transport-wide feedback: literals, vectors of other implementations, round trips and arbitrary bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors import Case, cases

from grace_transport.errors import WireFormatError
from grace_transport.wire.recorder import TwccRecorder
from grace_transport.wire.rtcp import RtcpPacket, split_compound
from grace_transport.wire.seq import Unwrapper
from grace_transport.wire.twcc import (
    LARGE,
    LOST,
    SMALL,
    TransportFeedback,
    TwccBuilder,
    TwccReader,
    is_twcc,
    pack_chunks,
    parse_twcc,
    unpack_chunk,
)


def parse(data: bytes) -> TransportFeedback:
    packets = split_compound(data)
    if len(packets) != 1:
        raise WireFormatError("one packet expected")
    return parse_twcc(packets[0])


def statuses(report: TransportFeedback) -> list[list[Any]]:
    """[sequence number (wire), received, delta or None] for each status."""
    deltas = iter(report.deltas_us) if report.deltas_us is not None else None
    return [
        [
            (report.base_seq + offset) & 0xFFFF,
            symbol != LOST,
            next(deltas) if deltas is not None and symbol in {SMALL, LARGE} else None,
        ]
        for offset, symbol in enumerate(report.symbols)
    ]


def received(report: TransportFeedback) -> list[list[Any]]:
    return [[seq, delta] for seq, was_received, delta in statuses(report) if was_received]


# -- literals


def test_golden_bytes() -> None:
    builder = TwccBuilder(65_534, 130_000)
    assert builder.add(65_534, 130_000)
    assert builder.add(65_536, 130_250)  # 65,535 is lost, the number wraps
    assert builder.add(65_537, 200_000)  # 69.75 ms: a large delta
    assert builder.add(65_538, 199_000)  # negative
    data = builder.build(0x01020304, 0x05060708, 0x1FF)
    head = "8fcd0006" + "0102030405060708" + "fffe0005" + "000002ff"
    assert data.hex() == head + "d1a0" + "08" + "01" + "0117" + "fffc"
    report = parse(data)
    assert statuses(report) == [
        [65_534, True, 2_000],
        [65_535, False, None],
        [0, True, 250],
        [1, True, 69_750],
        [2, True, -1_000],
    ]
    assert (report.sender_ssrc, report.media_ssrc, report.feedback_count) == (0x01020304, 0x05060708, 0xFF)


def test_reader_gives_unwrapped_numbers_and_times() -> None:
    builder = TwccBuilder(100_000, 640_000_000)
    assert builder.add(100_000, 640_000_000)
    assert builder.add(100_002, 640_010_000)
    feedback = TwccReader().read(parse(builder.build(1, 2, 0)), 100_005)
    assert feedback.arrivals == ((100_000, 640_000_000), (100_001, None), (100_002, 640_010_000))


def test_reader_follows_the_reference_clock_over_its_wrap() -> None:
    reader = TwccReader()
    wrap_us = (1 << 24) * 64_000
    arrivals = []
    for arrived_us in (wrap_us - 64_000, wrap_us + 128_000, wrap_us - 128_000):
        builder = TwccBuilder(5, arrived_us)
        builder.add(5, arrived_us)
        arrivals.append(reader.read(parse(builder.build(1, 2, 0)), 5).arrivals[0][1])
    assert arrivals == [wrap_us - 64_000, wrap_us + 128_000, wrap_us - 128_000]


def test_reader_leaves_out_what_was_never_sent() -> None:
    builder = TwccBuilder(7, 0)
    for seq in range(7, 12):
        builder.add(seq, 0)
    report = parse(builder.build(1, 2, 0))
    assert [seq for seq, _ in TwccReader().read(report, 9).arrivals] == [7, 8, 9]
    with pytest.raises(WireFormatError, match="newest sent is 6"):
        TwccReader().read(report, 6)


def test_packets_without_times_are_neither_lost_nor_timed() -> None:
    builder = TwccBuilder(7, 0, include_times=False)
    builder.add(7, 0)
    builder.add(9, 0)
    report = parse(builder.build(1, 2, 0))
    assert report.deltas_us is None
    assert TwccReader().read(report, 9).arrivals == ((8, None),)


def test_an_empty_report_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TwccBuilder(1, 0).build(1, 2, 0)


def test_other_feedback_is_rejected() -> None:
    nack = RtcpPacket(205, 1, bytes(20))
    assert not is_twcc(nack)
    with pytest.raises(WireFormatError, match="205/1"):
        parse_twcc(nack)


def test_work_is_bounded_by_bytes_not_by_counts() -> None:
    """Runs of zero length make no progress, a count of 65,535 makes no work."""
    header = bytes(8) + bytes.fromhex("0000" + "ffff" + "00000000")
    with pytest.raises(WireFormatError, match="chunks end"):
        parse_twcc(RtcpPacket(205, 15, header + bytes(1400)))
    with pytest.raises(WireFormatError, match="chunks end 57344 short"):
        parse_twcc(RtcpPacket(205, 15, header + b"\x3f\xff"))


# -- vectors


def assert_matches(report: TransportFeedback, case: Case) -> None:
    assert report.sender_ssrc == case["sender_ssrc"]
    assert report.media_ssrc == case["media_ssrc"]
    assert report.base_seq == case["base_sequence_number"]
    assert len(report.symbols) == case["packet_status_count"]
    assert report.feedback_count == case["feedback_packet_count"]
    assert report.reference_time_64ms % (1 << 24) == case["reference_time_64ms"] % (1 << 24)
    assert received(report) == case["received"]
    assert report.symbols.count(LOST) == case["lost_count"]
    if "packets" in case:
        assert statuses(report) == case["packets"]


@pytest.mark.parametrize("case", cases("twcc", "decode", where=lambda case: case["agreed"]))
def test_decode_vectors(case: Case) -> None:
    data = bytes.fromhex(case["hex"])
    if case["valid"] is False:
        with pytest.raises(WireFormatError):
            parse(data)
        return
    assert_matches(parse(data), case)


@pytest.mark.parametrize("case", cases("twcc", "decode", where=lambda case: not case["agreed"]))
def test_decode_vectors_that_implementations_differ_on(case: Case) -> None:
    """This one reads as libwebrtc does."""
    dialect = case["dialects"]["libwebrtc"]
    try:
        report = parse(bytes.fromhex(case["hex"]))
    except WireFormatError:
        assert dialect.startswith("invalid")
        return
    assert dialect == ("valid_without_deltas" if report.deltas_us is None else "valid")


@pytest.mark.parametrize("case", cases("twcc", "encode"))
def test_encode_vectors(case: Case) -> None:
    builder = TwccBuilder(case["base_sequence_number"], case["base_time_us"], include_times=case["include_deltas"])
    unwrapper = Unwrapper(16)
    unwrapper.unwrap(case["base_sequence_number"])
    for seq, arrived_us, accepted in case["arrivals"]:
        assert builder.add(unwrapper.unwrap(seq), arrived_us) == accepted
    data = builder.build(case["sender_ssrc"], case["media_ssrc"], case["feedback_packet_count"])
    expected = case["expected"]
    assert data.hex() == expected["hex"]
    assert len(data) <= expected["max_size_bytes"]
    assert received(parse(data)) == expected["received"]


@pytest.mark.parametrize("case", cases("twcc", "recorder"))
def test_recorder_vectors(case: Case) -> None:
    recorder = TwccRecorder(case["sender_ssrc"], case["media_ssrc"])
    for step in case["steps"]:
        for seq, arrived_us in step["record"]:
            recorder.on_packet(seq, arrived_us)
        expected = step["expected"]
        data = recorder.build(1_000_000)
        assert data is not None
        assert recorder.build(1_000_000) is None
        report = parse(data)
        assert report.base_seq == expected["base_sequence_number"]
        assert len(report.symbols) == expected["packet_status_count"]
        assert report.reference_time_64ms == expected["reference_time_64ms"]
        assert report.feedback_count == expected["feedback_packet_count"]
        if "received" in expected:
            assert received(report) == expected["received"]
            assert report.deltas_us == tuple(expected["deltas_us"])
        if "hex" in expected and case["name"] != "ShortDeltas_SplitsOneBitDeltas":  # pion spends a chunk more there
            assert data.hex() == expected["hex"]


@pytest.mark.parametrize("case", cases("twcc", "chunks"))
def test_chunk_vectors(case: Case) -> None:
    symbols = bytes(case["symbols"]) if "symbols" in case else bytes((case["symbol"],)) * case["run_length"]
    assert unpack_chunk(int(case["hex"], 16)) == symbols
    if not case["name"].startswith("draft example"):  # the draft's are examples of the format, not of a chooser
        assert pack_chunks(symbols).hex() == case["hex"]


@pytest.mark.parametrize("case", cases("twcc", "deltas"))
def test_delta_vectors(case: Case) -> None:
    body = bytes(8) + bytes.fromhex("0000" + "0001" + "00000000")
    chunk = bytes.fromhex(f"{case['symbol'] << 13 | 1:04x}")
    assert parse_twcc(RtcpPacket(205, 15, body + chunk + bytes.fromhex(case["hex"]))).deltas_us == (case["delta_us"],)


# -- properties


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 3)), min_size=1, max_size=8))
def test_chunks_unpack_to_what_was_packed(runs: list[tuple[int, int]]) -> None:
    symbols = b"".join(bytes((symbol,)) * count for count, symbol in runs)
    chunks = pack_chunks(symbols)
    unpacked = b"".join(unpack_chunk(chunks[pos] << 8 | chunks[pos + 1]) for pos in range(0, len(chunks), 2))
    assert unpacked[: len(symbols)] == symbols
    assert not any(unpacked[len(symbols) :])


@given(
    st.integers(0, 2**20),
    st.integers(0, 2**38),
    st.lists(st.tuples(st.integers(1, 300), st.integers(-9_000_000, 9_000_000)), min_size=1, max_size=60),
)
def test_built_reports_parse_back(base_seq: int, base_us: int, steps: list[tuple[int, int]]) -> None:
    """Every accepted packet comes back within half a delta unit of its arrival, every other as lost."""
    builder = TwccBuilder(base_seq, base_us)
    accepted: dict[int, int] = {}
    seq, arrived_us = base_seq - 1, base_us
    for seq_step, us_step in steps:
        if builder.add(seq + seq_step, arrived_us + us_step):
            seq, arrived_us = seq + seq_step, arrived_us + us_step
            accepted[seq] = arrived_us
    if not accepted:
        return
    arrivals = dict(TwccReader().read(parse(builder.build(1, 2, 3)), seq).arrivals)
    assert arrivals.keys() == set(range(base_seq, seq + 1))
    offset_us = base_us // 64_000 // (1 << 24) * (1 << 24) * 64_000  # the reader cannot know earlier wraps
    for got_seq, got_us in arrivals.items():
        if got_seq not in accepted:
            assert got_us is None
        else:
            assert got_us is not None
            assert abs(got_us + offset_us - accepted[got_seq]) <= 125


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_parse_or_are_rejected(data: bytes, looks_right: bool) -> None:
    body = bytes(8) + data if looks_right else data
    try:
        report = parse_twcc(RtcpPacket(205, 15, body))
        TwccReader().read(report, 0x8000)
    except WireFormatError:
        return
    assert len(report.symbols) <= 0xFFFF
