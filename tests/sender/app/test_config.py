from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_sender.app.config import SendConfig, parse_bitrate
from grace_transport.runtime.settings import load_settings

MINIMAL = {"input": "test", "to": "http://127.0.0.1:8080/"}


def test_defaults_are_a_grace_call() -> None:
    config = load_settings(SendConfig, MINIMAL)
    assert (config.to, config.scheme, config.plain, config.adapt) == (
        "http://127.0.0.1:8080",
        "grace-lite",
        False,
        True,
    )
    assert load_settings(SendConfig, MINIMAL).session != config.session


@pytest.mark.parametrize(
    ("text", "bps"), [("800k", 800_000), ("1.5M", 1_500_000), ("64000", 64_000), (" 2m ", 2_000_000)]
)
def test_bitrates_as_people_write_them(text: str, bps: int) -> None:
    assert load_settings(SendConfig, MINIMAL | {"start_bitrate": text}).start_bitrate == bps


@given(st.text(max_size=20))
def test_any_bitrate_is_a_number_or_a_value_error(text: str) -> None:
    try:
        assert isinstance(parse_bitrate(text), int)
    except ValueError as error:
        assert "800k" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("to", "banana", "no address of a peer"),
        ("size", "10x10", "outside 64x64 to 1920x1080"),
        ("size", "65x64", "must be even"),
        ("size", "wide", "not WIDTHxHEIGHT"),
        ("fps", 0.05, "greater than or equal to 0.1"),
        ("ice_servers", ("stun.l.google.com:19302",), "write stun:stun.l.google.com:19302"),
        ("seconds", -1, "greater than 0"),
        ("max_bitrate", "1", "greater than or equal to 20000"),
        ("session", "a b", "should match pattern"),
        ("event_loop", "trio", "'auto', 'asyncio' or 'uvloop'"),
        ("input", "", "at least 1 character"),
    ],
)
def test_wrong_setting_is_one_line_with_its_flag(flag: str, value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        load_settings(SendConfig, MINIMAL | {flag: value})
    name = flag.replace("_", "-").removesuffix("s") if flag == "ice_servers" else flag.replace("_", "-")
    assert str(caught.value).startswith(f"--{name}: ")
    assert "\n" not in str(caught.value)
