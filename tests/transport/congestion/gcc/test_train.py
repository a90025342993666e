"""The media's own packet trains measure the bottleneck."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc.train import TrainEstimator
from grace_transport.congestion.history import Arrived

MS = 1_000
WINDOW_US = 500 * MS


def _frames(send_gap_us: int, arrival_gap_us: int, *, grid_us: int = 1, frames: int = 10) -> TrainEstimator:
    """Frames of five packets of 1250 bytes every 40 ms (1.25 Mbit/s on average)."""
    trains = TrainEstimator()
    for frame in range(frames):
        for n in range(5):
            sent_us = frame * 40 * MS + n * send_gap_us
            arrived_us = frame * 40 * MS + 50 * MS + n * arrival_gap_us
            trains.on_arrived([Arrived(sent_us, -(-arrived_us // grid_us) * grid_us, 1_250)], 1_250_000)
    return trains


def test_trains_that_are_stretched_show_the_capacity() -> None:
    rates = _frames(4 * MS, 5 * MS).rates(WINDOW_US)
    assert rates is not None
    assert (rates.send_bps, rates.arrival_bps) == (2_500_000, 2_000_000)
    assert rates.capacity_bps == 2_000_000


def test_trains_that_arrive_as_sent_show_no_more_than_was_sent() -> None:
    rates = _frames(4 * MS, 1 * MS).rates(WINDOW_US)
    assert rates is not None
    assert rates.capacity_bps == 2_500_000


def test_arrivals_on_a_grid_average_out() -> None:
    rates = _frames(4 * MS, 5 * MS, grid_us=21 * MS, frames=12).rates(WINDOW_US)
    assert rates is not None
    assert rates.arrival_bps == pytest.approx(2_000_000, rel=0.25)


def test_packets_as_far_apart_as_frames_are_no_train() -> None:
    assert _frames(40 * MS // 5, 8 * MS).rates(WINDOW_US) is None


def test_too_little_says_nothing() -> None:
    assert _frames(4 * MS, 5 * MS, frames=1).rates(WINDOW_US) is None
    assert TrainEstimator().rates(WINDOW_US) is None
