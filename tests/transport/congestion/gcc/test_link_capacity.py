"""The capacity seen at overuse."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc.link_capacity import LinkCapacity


def test_nothing_known_bounds_nothing() -> None:
    capacity = LinkCapacity()
    assert not capacity.known
    assert (capacity.lower_bps, capacity.upper_bps) == (0.0, float("inf"))


def test_first_overuse_sets_the_estimate_with_three_deviations_around_it() -> None:
    capacity = LinkCapacity()
    capacity.on_overuse(300_000)
    margin = 3 * (0.4 * 300) ** 0.5 * 1_000
    assert capacity.estimate_bps == 300_000
    assert capacity.upper_bps == pytest.approx(300_000 + margin)
    assert capacity.lower_bps == pytest.approx(300_000 - margin)


def test_later_samples_weigh_five_percent() -> None:
    capacity = LinkCapacity()
    capacity.on_overuse(300_000)
    capacity.on_overuse(400_000)
    assert capacity.estimate_bps == pytest.approx(305_000)


def test_scattered_samples_widen_the_bounds_up_to_a_limit() -> None:
    capacity = LinkCapacity()
    for i in range(200):
        capacity.on_overuse(100_000 if i % 2 else 900_000)
    margin = capacity.upper_bps - capacity.estimate_bps
    assert margin == pytest.approx(3 * (2.5 * capacity.estimate_bps / 1_000) ** 0.5 * 1_000)


def test_reset_forgets() -> None:
    capacity = LinkCapacity()
    capacity.on_overuse(300_000)
    capacity.reset()
    assert not capacity.known
