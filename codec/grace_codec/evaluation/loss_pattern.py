"""Which payloads of a clip arrive: bursts of lossy frames, seeded. Knows no codec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Bursts:
    """From every `every`-th frame on, `frames` frames in a row lose the share `loss` of their payloads.

    Which payloads is drawn; how many is the share, rounded up or down at random so that the mean is exact. One payload
    always arrives: of a frame that loses all, GRACE asks for another copy (paper 4.2)."""

    loss: float
    frames: int = 3
    every: int = 12
    seed: int = 0
    first: int = 6

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1 or self.frames < 1 or self.every < self.frames + 4:
            raise ValueError("loss is 0 to below 1; bursts are at least a frame, and 4 frames apart")

    def place(self, index: int) -> int:
        """0, 1, ... within a burst and after it; −1 before the first."""
        return (index - self.first) % self.every if index >= self.first else -1

    def hits(self, index: int) -> bool:
        return self.loss > 0 and 0 <= self.place(index) < self.frames

    def arrived(self, index: int, payloads: Mapping[int, bytes]) -> dict[int, bytes]:
        """The payloads of frame `index` that come through. Key frames are never hit."""
        if not self.hits(index):
            return dict(payloads)
        draw = np.random.default_rng((self.seed, index))
        lost = min(int(self.loss * len(payloads) + draw.random()), len(payloads) - 1)
        gone = {int(j) for j in draw.permutation(sorted(payloads))[:lost]}
        return {j: data for j, data in payloads.items() if j not in gone}
