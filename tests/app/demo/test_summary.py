"""Laws of the summary: which call is named as the better one, and when the machine is to blame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_rtc.demo.outcome import Stats
from grace_rtc.demo.summary import summary, verdict, warning


def stats(stall: float, worst_ms: float, ssim: float | None, bitrate: float = 1e6) -> Stats:
    return {"stall_ratio": stall, "p98_delay_ms": worst_ms, "ssim_db": ssim, "bitrate_bps": bitrate}


def test_summary_has_the_first_scheme_on_top_and_each_by_name() -> None:
    calls: dict[str, Stats] = {"grace-lite": {"frames_sent": 3}, "h264": {"frames_sent": 4}}
    made = summary({"trace": "lte-3"}, calls)
    assert (made["scheme"], made["frames_sent"], made["trace"]) == ("grace-lite", 3, "lte-3")
    assert made["schemes"] == calls


def test_verdict_names_the_closer_scheme_whichever_it_is() -> None:
    grace, plain = stats(0.01, 300, 12.0, 9e5), stats(0.2, 1200, 14.0, 6e5)
    worse = verdict({"grace-lite": grace, "h264": plain})
    better = verdict({"grace-lite": plain, "h264": grace})
    assert "2.0 dB further from the original" in worse
    assert "2.0 dB closer to the original" in better
    for number in ("1.0 %", "20.0 %", "0.30 s", "1.20 s", "1.5 times"):
        assert number in worse


def test_verdict_of_one_scheme_compares_nothing() -> None:
    text = verdict({"h264": stats(0.2, 1200, 14.0) | {"non_rendered_ratio": 0.25}})
    assert "20.0 %" in text
    assert "25.0 %" in text
    assert "GRACE" not in text


def test_machine_is_warned_of_above_three_percent_of_the_frames() -> None:
    busy: Stats = {"frames_captured": 100, "frames_too_slow": 4}
    assert "4 frames of GRACE (grace-lite)" in warning({"grace-lite": busy})
    assert warning({"grace-lite": busy | {"frames_too_slow": 3}, "h264": stats(0, 0, None)}) == ""


RATIO = st.one_of(st.none(), st.floats(0, 1))


@given(st.dictionaries(st.sampled_from(["grace-lite", "h264", "vp8"]), st.tuples(RATIO, RATIO, RATIO), min_size=1))
def test_any_stats_may_be_missing(given_: dict[str, tuple[float | None, ...]]) -> None:
    names = ("stall_ratio", "ssim_db", "p98_delay_ms")
    assert verdict({scheme: dict(zip(names, values, strict=True)) for scheme, values in given_.items()}).endswith(".")
