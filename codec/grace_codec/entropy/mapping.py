"""Reversible randomized packetization (paper section 3, Figure 5). Owns which latent element travels in which packet;
refuses to know how the elements are coded.

Element i goes to packet j = i·p mod n, position (i·p − j)/n. As p is invertible modulo n, *which* elements travel
together depends on i mod n alone. So the spread lies in how the elements are numbered: i = x + y·row + c·plane with
strides that are padded so that elements of one packet form a lattice with no two close together in x, y and channel.
The prime p then decides which packet gets which class: it sends neighbouring elements to distant packets, so that a
burst of lost packets within a frame does not take neighbours either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd

import numpy as np
import numpy.typing as npt

MAX_PACKETS = 128  # per frame; 1080p at 12 Mbit/s and 25 fps needs 54

_PRIMES = tuple(p for p in range(2, 230) if all(p % d for d in range(2, p)))


def _spread(n: int, row: int, channels: range) -> list[int]:
    """For every candidate stride modulo n, the squared distance of the closest two elements of one packet."""
    steps = [(dx, dy, dc) for dc in channels for dy in range(-4, 5) for dx in range(-6, 7) if (dx, dy, dc) != (0, 0, 0)]
    distances = []
    for stride in range(n):
        down, deep = (stride, 0) if channels == range(1) else (row, stride)
        hits = [dx * dx + dy * dy + dc * dc for dx, dy, dc in steps if (dx + dy * down + dc * deep) % n == 0]
        distances.append(min(hits, default=99))
    return distances


@lru_cache(maxsize=MAX_PACKETS)
def lattice(n: int) -> tuple[int, int, int]:
    """(row stride mod n, channel stride mod n, prime p) for n packets: the best spread, the smallest of equals."""
    if not 1 <= n <= MAX_PACKETS:
        raise ValueError(f"a frame has 1 to {MAX_PACKETS} packets, not {n}")
    flat = _spread(n, 0, range(1))
    row = flat.index(max(flat))
    deep = _spread(n, row, range(1, 5))
    # coprime, so that the channels of one position travel in all n packets: two lost packets leave no hole
    channel = max((c for c in range(n) if gcd(c, n) == 1), key=lambda c: (deep[c], -c))
    # golden section: neighbours x, x + 1, x + 2, ... land far apart in the order of the packets
    prime = min((p for p in _PRIMES if gcd(p, n) == 1), key=lambda p: abs(p % n - 0.618 * n))
    return row, channel, prime


@dataclass(frozen=True)
class Mapping:
    """Which of `n` packets each element of a (channels, height, width) tensor travels in."""

    channels: int
    height: int
    width: int
    n: int

    @cached_property
    def strides(self) -> tuple[int, int]:
        """(plane, row) strides of the element number: at least dense, and of the lattice's residue modulo n."""
        row_mod, plane_mod, _ = lattice(self.n)
        row = self.width + (row_mod - self.width) % self.n
        plane = row * self.height
        return plane + (plane_mod - plane) % self.n, row

    @cached_property
    def prime(self) -> int:
        return lattice(self.n)[2]

    def numbers(self) -> npt.NDArray[np.int64]:
        """The element number i of every element, (channels, height, width)."""
        plane, row = self.strides
        c, y, x = np.ogrid[: self.channels, : self.height, : self.width]
        return np.asarray(x + y * row + c * plane, np.int64)

    @cached_property
    def phase_of(self) -> npt.NDArray[np.int64]:
        """(channels,): c·plane mod n. Channels of one phase travel alike, so tables have n rows and not `channels`."""
        return np.arange(self.channels) * self.strides[0] % self.n

    @cached_property
    def packet_rows(self) -> npt.NDArray[np.uint8]:
        """(n, height·width): packet of each position's element in a channel of each phase."""
        _, row = self.strides
        r, y, x = np.ogrid[: self.n, : self.height, : self.width]
        return np.asarray((x + y * row + r) * self.prime % self.n, np.uint8).reshape(self.n, -1)

    def packet(self) -> npt.NDArray[np.uint8]:
        """j = i·p mod n for every element, (channels, height, width)."""
        return self.packet_rows[self.phase_of].reshape(self.channels, self.height, self.width)

    @cached_property
    def phase(self) -> npt.NDArray[np.uint8]:
        """(n, height, width): what channel·plane mod n must be for its element here to travel in packet j."""
        _, row = self.strides
        inverse = pow(self.prime, -1, self.n)
        j, y, x = np.ogrid[: self.n, : self.height, : self.width]
        return np.asarray((j * inverse - x - y * row) % self.n, np.uint8)


@lru_cache(maxsize=12)
def mapping(channels: int, height: int, width: int, n: int) -> Mapping:
    """The mapping of a tensor onto n packets. Pure arithmetic on the sizes: both ends derive the same."""
    return Mapping(channels, height, width, n)
