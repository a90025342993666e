"""Laws of the trace files: what is read, what is written, and what a bad file is told."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors import cases

from grace_netsim.errors import TraceError
from grace_netsim.trace.foreign import parse_csv, parse_iperf, parse_pcap, parse_times
from grace_netsim.trace.formats import (
    READERS,
    described,
    format_csv,
    format_mahimahi,
    format_rates,
    format_steps,
    guess_format,
    parse_mahimahi,
    parse_rates,
    parse_steps,
    recognised_format,
)
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries

rate_series = st.lists(st.integers(0, 100_000_000), min_size=1, max_size=60).filter(any).map(tuple)


@pytest.mark.parametrize("case", cases("link", "trace_files"))
def test_every_trace_file_vector_is_taken_or_refused(case: Any) -> None:
    data = case["text"].encode()
    if case["valid"] is False:
        with pytest.raises(TraceError, match=r"^trace\.mahi"):
            parse_mahimahi(data, "trace.mahi")
    elif case["valid"] is True:
        assert parse_mahimahi(data, "trace.mahi").times_ms == tuple(case["trace_ms"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "t:.*empty"),
        (b"\n", "t:1: empty line"),
        (b"1\n\n2\n", "t:2: empty line"),
        (b"1\n2\n\n", "t:3: empty line"),
        (b"1\n3\n2\n", "t:3: time goes back from 3 to 2 ms"),
        (b"0\n", "t:1: the last time is 0 ms"),
        (b"0\n0\n", "t:2: the last time is 0 ms"),
        (b"1\nabc\n", "t:2: 'abc' is no whole number"),
        (b"1\n2x\n", "t:2: '2x' is no whole number"),
        (b"1\n2.5\n", "t:2: '2.5' is no whole number"),
        (b"-1\n5\n", "t:1: '-1' is no whole number"),
        (b"+1\n", "t:1: '.1' is no whole number"),
        (b"1_0\n", "t:1: '1_0' is no whole number"),
        (b" 1\n", "t:1: ' 1' is no whole number"),
        ("٣\n".encode(), "t:1: not text"),
        (b"1\n\x00\xff\n", "t:2: not text"),
        (b"1" * 100, "t:1: 100 bytes in one line"),
        (b"99999999999\n", "t:1: 99999999999 ms is more than a month"),
    ],
)
def test_a_bad_mahimahi_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_mahimahi(data, "t")


def test_carriage_returns_are_taken() -> None:
    assert parse_mahimahi(b"1\r\n2\r\n", "t").times_ms == (1, 2)


def test_a_step_holds_to_the_next_and_the_last_as_long_as_the_one_before() -> None:
    series = parse_steps(b"0.0\t1.5\n0.2\t3\n0.5 0.25\n", "t")
    assert series == RateSeries((1_500_000,) * 2 + (3_000_000,) * 3 + (250_000,) * 3)


def test_steps_between_the_grid_are_averaged_over_it() -> None:
    assert parse_steps(b"10 1\n10.15 3\n10.2 0\n", "t").rates_bps == (1_000_000, 2_000_000, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"0 1\n", "t:1: one line alone says no duration"),
        (b"0 1\n5\n", "t:2: 1 fields instead of 2"),
        (b"0 1\n0 2\n", "t:2: the time does not increase: 0 s"),
        (b"0 1\n1 -2\n", "t:2: -2 Mbit/s is out of range"),
        (b"0 1\n1 nan\n", "t:2: 'nan' is no number of Mbit/s"),
        (b"0 1\n1 1e400\n", "t:2: 1e400 Mbit/s is out of range"),
        (b"0 1\n1 1e9\n", "t:2: 1e9 Mbit/s is above 100000"),
        (b"0 1\n9e9 1\n", "t:2: 9e9 s is more than a month"),
        (b"0 1\n1 1e\n", "t:2: '1e' is no number"),
        (b"0 0\n5 0\n", "t: all rates are 0"),
        (b"0 1\n2000000 1\n", "t: lasts longer than a day"),
    ],
)
def test_a_bad_steps_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_steps(data, "t")


def test_csv_has_an_even_grid_that_gives_the_step() -> None:
    assert parse_csv(b"seconds,mbps\n0,1\n0.5,2.5\n1.0,0\n", "t") == RateSeries((1_000_000, 2_500_000, 0), 500_000)
    assert parse_csv(b"Seconds,Mbps\r\n0,1\r\n", "t") == RateSeries((1_000_000,))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"time,rate\n0,1\n", "t:1: the header is not 'seconds,mbps'"),
        (b"seconds,mbps\n", "t:2: no row after the header"),
        (b"seconds,mbps\n0,1,2\n", "t:2: 3 fields instead of 2"),
        (b"seconds,mbps\n1,1\n1,1\n", "t:3: the time does not increase"),
        (b"time,down_kbps,up_kbps\n0,1,2\n", "t:1: down_kbps and up_kbps are both rates; leave one"),
        (b"Timestamp,DL_bitrate\n0,2400\n", "t:1: .* no column has a unit; say the unit"),
        (b"dtime,mbps\n0,1\n", "t:1: the header is not 'seconds,mbps'"),
        ("seconds,mbps\n0,1\n".encode("utf-16"), "t: UTF-16 text, by its byte order mark"),
        (b"seconds,mbps\n0,\n", "t:2: '' is no number of Mbit/s"),
    ],
)
def test_a_bad_csv_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_csv(data, "t")


def test_a_plain_series_has_a_rate_for_each_100_ms() -> None:
    assert parse_rates(b"1.5\n0\n2e0\n", "t") == RateSeries((1_500_000, 0, 2_000_000))
    with pytest.raises(TraceError, match="t:2: 'x' is no number of Mbit/s"):
        parse_rates(b"1\nx\n", "t")
    with pytest.raises(TraceError, match="steps of 100 ms, not 50000 µs; write csv"):
        format_rates(RateSeries((1,), 50_000))


def test_what_is_written_stays_small_and_plain() -> None:
    series = RateSeries((1_500_000, 1_500_000, 1_500_000, 20_000_000))
    assert format_csv(series) == "seconds,mbps\n0,1.5\n0.1,1.5\n0.2,1.5\n0.3,20\n"
    assert format_rates(series) == "1.5\n1.5\n1.5\n20\n"
    assert format_steps(series) == "0\t1.5\n0.2\t1.5\n0.3\t20\n"
    assert format_mahimahi(OpportunityTrace((0, 3, 3, 8))) == "0\n3\n3\n8\n"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50).map(sorted).filter(lambda times: times[-1] > 0))
def test_opportunities_survive_their_file(times: list[int]) -> None:
    trace = OpportunityTrace(tuple(times))
    assert parse_mahimahi(format_mahimahi(trace).encode(), "t") == trace


@given(rate_series)
def test_rates_survive_their_files(rates: tuple[int, ...]) -> None:
    series = RateSeries(rates)
    assert parse_csv(format_csv(series).encode(), "t") == series
    assert parse_rates(format_rates(series).encode(), "t") == series
    if len(rates) > 1:
        assert parse_steps(format_steps(series).encode(), "t") == series
    else:
        assert parse_steps(format_steps(series).encode(), "t").rates_bps[0] == rates[0]


near_misses = st.text("0123456789.,eE+-\n\t seconds,mbp", max_size=200).map(str.encode)


@pytest.mark.parametrize("name", READERS)
@given(data=st.binary(max_size=200) | near_misses)
def test_no_bytes_raise_anything_but_a_trace_error_of_one_line(name: str, data: bytes) -> None:
    try:
        trace = READERS[name](data, "some/file")
    except TraceError as error:
        message = str(error)
    else:
        assert isinstance(trace, OpportunityTrace | RateSeries)
        return
    assert message.startswith("some/file")
    assert message.isprintable()


@pytest.mark.parametrize(
    ("data", "suffix", "name"),
    [
        (b"1\n2\n", ".mahi", "mahimahi"),
        (b"1\n2\n", ".down", "mahimahi"),
        (b"1\n2\n", "", "mahimahi"),
        (b"0.0\t1.5\n", ".txt", "steps"),
        (b"5\n6\n", ".txt", "mahimahi"),
        (b"0.0 1.5\n", "", "steps"),
        (b"seconds,mbps\n", "", "csv"),
        (b"1.5\n", ".rates", "rates"),
        (b"", "", "mahimahi"),
    ],
)
def test_the_format_is_told_by_suffix_and_first_line(data: bytes, suffix: str, name: str) -> None:
    assert guess_format(data, suffix) == name


@pytest.mark.parametrize(
    ("data", "series"),
    [
        (b"\xef\xbb\xbfseconds,mbps\r\n0,1\r\n1,3\r\n\r\n", RateSeries((1_000_000, 3_000_000), 1_000_000)),
        (b"time_ms,kbps\n0,1500\n500,250.5\n", RateSeries((1_500_000, 250_500), 500_000)),
        (b"timestamp,bits_per_second\n1467000000,8000\n1467000001,16000\n", RateSeries((8_000, 16_000), 1_000_000)),
        (b'"Time (s)","Rate (Mbit/s)","RTT"\n0,1,20\n0.1,2,30\n', RateSeries((1_000_000, 2_000_000))),
        (b"# a comment\nseconds,mbps\n0,1\n0.2,4\n0.3,2\n", RateSeries((1_000_000,) * 2 + (4_000_000, 2_000_000))),
    ],
)
def test_csv_tables_of_other_tools_are_read_with_their_units(data: bytes, series: RateSeries) -> None:
    assert parse_csv(data, "t") == series


def test_unix_times_count_from_the_first_line() -> None:
    assert parse_steps(b"1467000000.0 1\n1467000000.1 2\n", "t") == RateSeries((1_000_000, 2_000_000))
    assert parse_mahimahi(b"1467000000000\n1467000000007\n1467000001000\n", "t").times_ms == (0, 7, 1000)
    assert parse_times(b"1467000000.5\n1467000000.507\n1467000001.5\n", "t").times_ms == (0, 7, 1000)


IPERF3 = """[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-1.00   sec   128 KBytes  1.05 Mbits/sec  0.017 ms  0/91 (0%)
[  5]   1.00-2.00   sec   256 KBytes  2.10 Mbits/sec  0.017 ms  0/182 (0%)
- - - - - - - - - - - - - - - - - - - - - - - - -
[  5]   0.00-2.00   sec   384 KBytes  1.57 Mbits/sec  0.017 ms  0/273 (0%)  receiver
"""
IPERF3_JSON = json.dumps(
    {"intervals": [{"sum": {"start": n, "end": n + 1, "bits_per_second": (n + 1) * 1.05e6}} for n in range(2)]}
)
IPERF2 = "".join(
    f"20160801000005,10.0.0.1,5001,10.0.0.2,5001,3,{start}-{end},131072,{bps}\n"
    for start, end, bps in ((0.0, 1.0, 1050000), (1.0, 2.0, 2100000), (0.0, 2.0, 1575000))
)


@pytest.mark.parametrize("log", [IPERF3, IPERF3_JSON, IPERF2], ids=["iperf3", "iperf3 -J", "iperf2 -y C"])
def test_iperf_logs_give_the_rates_of_their_intervals(log: str) -> None:
    assert recognised_format(log.encode(), ".log", "t") == "iperf"
    assert parse_iperf(log.encode(), "t") == RateSeries((1_050_000,) * 10 + (2_100_000,) * 10)


@pytest.mark.parametrize(("order", "magic", "per_us"), [("<", 0xA1B2C3D4, 1), (">", 0xA1B23C4D, 1000)])
def test_packet_capture_gives_its_bytes_per_100_ms(order: str, magic: int, per_us: int) -> None:
    def packet(at_us: int, length: int) -> bytes:
        seconds, us = divmod(at_us, 1_000_000)
        return struct.pack(order + "IIII", 1_467_000_000 + seconds, us * per_us, 20, length) + bytes(20)

    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    capture = head + packet(0, 1250) + packet(50_000, 1250) + packet(320_000, 5000)
    assert recognised_format(capture, ".pcap", "t") == "pcap"
    assert parse_pcap(capture, "t").rates_bps == (200_000, 0, 0, 400_000)
    with pytest.raises(TraceError, match="editcap -F pcap t"):
        parse_pcap(b"\x0a\x0d\x0d\x0a" + bytes(40), "t")


@pytest.mark.parametrize(
    ("data", "suffix", "name"),
    [
        (b"1.5\n3.25\n2.0\n0.8\n", ".txt", "rates"),
        (b"1.5\n3.25\n2.0\n0.8\n", ".log", "rates"),
        (b"5\n1000\n", ".txt", "mahimahi"),
        (b"5\n", "", "mahimahi"),
        (b"1467000000.5\n1467000001.5\n", ".txt", "times"),
        (b"1467000000000\n1467000001000\n", ".txt", "mahimahi"),
        (b"0 5\n1 6\n", ".log", "steps"),
        (b"\xef\xbb\xbfseconds,mbps\n", ".txt", "csv"),
    ],
)
def test_what_people_have_is_recognised(data: bytes, suffix: str, name: str) -> None:
    assert recognised_format(data, suffix, "t") == name


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"2\n3\n5\n8\n", "rates of 2 to 8 Mbit/s.*--from rates.*mahimahi trace of 8 ms .--from mahimahi."),
        (b"5\n3\n8\n", "--from rates.*go back"),
        (b"".join(b"%.1f\n" % (n / 10) for n in range(1, 20)), "--from rates.*packets up to 1.9 s .--from times."),
    ],
)
def test_what_may_mean_two_things_is_refused_with_the_option_that_chooses(data: bytes, says: str) -> None:
    with pytest.raises(TraceError, match=says):
        recognised_format(data, ".txt", "t")


def test_it_is_said_how_a_file_was_read() -> None:
    data = b"timestamp,kbps\n1467000000,1000\n1467000001,3000\n"
    text = described(parse_csv(data, "t"), "csv", data)
    assert text == "read as csv (timestamp,kbps), steps of 1000 ms: 2 s, mean 2 Mbit/s"
    steps = b"1467000000 1\n1467000001 3\n"
    assert described(parse_steps(steps, "t"), "steps", steps).startswith(
        "read as seconds and Mbit/s, Unix times, steps"
    )
    times = b"10\n20\n1000\n"
    said = described(parse_mahimahi(times, "t"), "mahimahi", times)
    assert said == "read as mahimahi (milliseconds, 1504 bytes each): 1 s, mean 0.0361 Mbit/s"
