"""Laws of concealment: received vectors stay, lost ones follow the received ones around them."""

from __future__ import annotations

import numpy as np
from tests.codec.grace_parts import uniform_field

from grace_codec.motion.concealment import fill_gaps


def test_received_vectors_are_kept_and_gaps_take_their_neighbours_mean() -> None:
    motion = uniform_field(80, 80, 8, -4)
    motion[:, 4, 4] = 100, 100
    received = np.ones((5, 5), bool)
    received[2, 2] = received[0, 0] = False
    motion[:, ~received] = 0
    filled = fill_gaps(motion, received)
    assert filled[:, 2, 2].tolist() == [8, -4]
    assert filled[:, 0, 0].tolist() == [8, -4]
    assert filled[:, 4, 4].tolist() == [100, 100]


def test_one_received_vector_fills_the_whole_field() -> None:
    motion, received = uniform_field(64, 160, 0, 0), np.zeros((4, 10), bool)
    motion[:, 1, 1], received[1, 1] = (12, 7), True
    assert np.array_equal(fill_gaps(motion, received), uniform_field(64, 160, 12, 7))


def test_nothing_received_is_no_motion() -> None:
    assert not fill_gaps(uniform_field(64, 64, 9, 9), np.zeros((4, 4), bool)).any()
