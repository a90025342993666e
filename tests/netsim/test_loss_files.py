"""Laws of loss files: a pattern per packet or a rate over time, and an error with its line for anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_netsim.errors import TraceError
from grace_netsim.link.loss_files import parse_loss, read_loss
from grace_netsim.link.stages import LossPattern, LossRates


def test_a_digit_per_packet_is_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "loss.txt").write_text("0\n1\n1\n")
    assert read_loss(tmp_path / "loss.txt") == LossPattern((False, True, True))


def test_rows_of_time_and_share_are_rates() -> None:
    assert parse_loss(b"seconds,loss\n0,0\n0.5,0.25\n1,1e-2\n", "t") == LossRates((0.0, 0.25, 0.01), 500_000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "t: the file is empty"),
        (b"0\n2\n", "t:2: '2' is neither 0 nor 1"),
        (b"seconds,loss\n0,0\n", "t:1: too few rows"),
        (b"seconds,loss\n0,0\n1,50\n", "t:3: a loss of 50 is above 1; write shares, not percent"),
        (b"seconds,loss\n0,0\n1,x\n", "t:3: 'x' is no number of loss"),
        (b"seconds,loss\n0,0\n1,0\n3,0\n", "t:4: the step changes"),
        (b"seconds,loss\n0,0\n0,0\n", "t:3: the step changes"),
        (b"seconds,loss\n0\n", "t:2: 1 fields instead of 2"),
    ],
)
def test_a_bad_loss_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_loss(data, "t")


near_misses = st.text("01.,e-\n seconds,lo", max_size=80).map(lambda text: b"seconds,loss\n" + text.encode())


@given(data=st.binary(max_size=80) | near_misses)
def test_no_bytes_raise_anything_but_a_trace_error(data: bytes) -> None:
    try:
        stage = parse_loss(data, "t")
    except TraceError:
        return
    assert isinstance(stage, LossPattern | LossRates)
