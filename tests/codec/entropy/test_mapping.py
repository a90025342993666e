"""Laws of the packetization: a bijection, spread out, the paper's formula."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_codec.entropy.mapping import MAX_PACKETS, Mapping, lattice, mapping

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 24), st.integers(1, 40), st.integers(1, MAX_PACKETS))


@given(SIZES)
def test_packet_and_position_follow_the_papers_formula_and_are_a_bijection(sizes: tuple[int, int, int, int]) -> None:
    where = Mapping(*sizes)
    i, p, n = where.numbers(), where.prime, sizes[3]
    assert np.array_equal(where.packet(), i * p % n)
    position = (i * p - where.packet()) // n
    assert np.array_equal(position * n + where.packet(), i * p)
    assert len({*zip(where.packet().ravel().tolist(), position.ravel().tolist(), strict=True)}) == i.size


@pytest.mark.parametrize("n", range(1, MAX_PACKETS + 1))
def test_prime_and_channel_stride_are_invertible_modulo_the_packets(n: int) -> None:
    _, channel, prime = lattice(n)
    assert gcd(prime, n) == 1
    assert gcd(channel, n) == 1
    assert all(prime % d for d in range(2, prime))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8, 12, 20, 54])
def test_every_packet_holds_its_share_of_every_channel(n: int) -> None:
    packet = mapping(8, 24, 40, n).packet()
    for channel in packet:
        counts = np.bincount(channel.ravel(), minlength=n)
        assert counts.max() - counts.min() <= 24
        assert counts.min() > 0


@pytest.mark.parametrize(("n", "distance"), [(2, 2), (4, 4), (5, 5), (6, 4), (8, 8), (12, 10), (20, 16)])
def test_elements_of_one_packet_keep_their_distance(n: int, distance: int) -> None:
    """Squared distance of the closest two in one channel."""
    packet = mapping(1, 16, 16, n).packet()[0]
    y, x = np.nonzero(packet == packet[8, 8])
    apart = (y - 8) ** 2 + (x - 8) ** 2
    assert apart[apart > 0].min() >= distance


@pytest.mark.parametrize("n", [4, 7, 20])
def test_neighbours_land_in_packets_that_are_not_neighbours(n: int) -> None:
    row = mapping(1, 1, 40, n).packet()[0, 0].astype(int)
    steps = np.abs(np.diff(row))
    assert np.minimum(steps, n - steps).min() >= n // 4


def test_more_packets_than_allowed_are_a_callers_error() -> None:
    with pytest.raises(ValueError, match="1 to 128 packets"):
        lattice(129)
