"""Bursts hit what they should, as much as they should, and the same every time."""

from __future__ import annotations

import pytest

from grace_codec.evaluation.loss_pattern import Bursts

PAYLOADS = {j: bytes([j]) for j in range(8)}


def test_bursts_hit_three_frames_of_twelve() -> None:
    bursts = Bursts(0.5)
    assert [i for i in range(32) if bursts.hits(i)] == [6, 7, 8, 18, 19, 20, 30, 31]


@pytest.mark.parametrize(("loss", "count"), [(0.55, 8), (0.8, 2), (0.2, 1)])
def test_the_share_is_exact_on_average_however_few_payloads_a_frame_has(loss: float, count: int) -> None:
    payloads = {j: bytes([j]) for j in range(count)}
    bursts = Bursts(loss, seed=3)
    kept = [len(bursts.arrived(12 * k + 6, payloads)) for k in range(2000)]
    assert sum(kept) / 2000 == pytest.approx(count * (1 - loss), abs=0.03)


def test_a_frame_may_lose_all_of_its_payloads() -> None:
    assert Bursts(0.99).arrived(6, {0: b"a", 1: b"b"}) == {}


def test_other_frames_lose_nothing_and_draws_repeat() -> None:
    bursts = Bursts(0.8, seed=1)
    assert bursts.arrived(9, PAYLOADS) == PAYLOADS
    assert bursts.arrived(7, PAYLOADS) == bursts.arrived(7, PAYLOADS)
    assert bursts.arrived(7, PAYLOADS) != Bursts(0.8, seed=2).arrived(7, PAYLOADS)


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"loss": -0.1}, {"loss": 0.5, "frames": 0}, {"loss": 0.5, "frames": 9}]
)
def test_impossible_patterns_are_a_callers_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="loss is 0"):
        Bursts(**wrong)  # type: ignore[arg-type]
