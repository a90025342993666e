"""Laws of the option parsers that the commands share."""

from __future__ import annotations

import pytest

from grace_rtc.options import bitrate_bps, bitrates_bps, numbers, width_and_height, words


@pytest.mark.parametrize(("text", "bps"), [("1500k", 1_500_000), ("1.5M", 1_500_000), ("64000", 64_000)])
def test_bitrate_is_read_with_its_unit(text: str, bps: int) -> None:
    assert bitrate_bps(text) == bps


@pytest.mark.parametrize("text", ["fast", "", "1", "19.9k", "101M", "-300k", "1e6"])
def test_bitrate_that_no_call_can_have_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="bitrate"):
        bitrate_bps(text)


def test_lists_are_comma_separated_and_may_have_spaces() -> None:
    assert words("h264, vp8,") == ("h264", "vp8")
    assert numbers("0, 0.5") == (0.0, 0.5)
    assert bitrates_bps("500k,1.5M") == (500_000, 1_500_000)


def test_size_is_width_and_height_in_that_order() -> None:
    assert width_and_height("640x360") == (640, 360)
    assert width_and_height(None) is None
    with pytest.raises(ValueError, match="for example 640x360"):
        width_and_height("big")
