from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_sender.live.frame_gate import FrameGate


def admitted(gate: FrameGate, fps: float, count: int, jitter: list[int] | None = None) -> list[int]:
    times = [round(n * 1_000_000 / fps) + (jitter[n] if jitter else 0) for n in range(count)]
    return [n for n, at_us in enumerate(times) if gate.admits(at_us)]


def test_same_rate_lets_all_through() -> None:
    assert admitted(FrameGate(25), 25, 250) == list(range(250))


def test_half_the_rate_is_every_second_picture() -> None:
    assert admitted(FrameGate(12.5), 25, 10) == [0, 2, 4, 6, 8]


def test_pictures_after_a_gap_are_let_through() -> None:
    gate = FrameGate(10)
    assert gate.admits(0)
    assert gate.admits(60_000_000)
    assert not gate.admits(60_020_000)
    assert gate.admits(60_100_000)


def test_clock_that_jumps_back_does_not_close_the_gate() -> None:
    gate = FrameGate(10)
    assert gate.admits(60_000_000)
    assert gate.admits(0)


def test_rate_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        FrameGate(0)


@given(st.floats(5, 60), st.floats(5, 60), st.lists(st.integers(-3_000, 3_000), min_size=300, max_size=300))
def test_average_is_the_lower_of_both_rates_whatever_the_jitter(
    camera: float, wanted: float, jitter: list[int]
) -> None:
    through = len(admitted(FrameGate(wanted), camera, 300, jitter))
    expected = 300 * min(1.0, wanted / camera)
    assert through <= expected + 2
    assert through >= expected * 0.98 - 2
