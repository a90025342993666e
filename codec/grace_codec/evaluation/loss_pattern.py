"""Which payloads of a clip arrive: bursts of lossy frames, seeded. Knows no codec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Bursts:
    """From frame `first` on, `frames` frames in a row out of every `every` lose the share `loss` of their payloads.

    How many payloads of a frame are lost is that share, rounded up or down at random so that its mean is exact; which
    ones is drawn as well. A frame of few payloads may lose all of them. loss: 0 to below 1."""

    loss: float
    frames: int = 3
    every: int = 12
    seed: int = 0
    first: int = 6

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1 or self.frames < 1 or self.every < self.frames + 4:
            raise ValueError("loss is 0 to below 1; bursts are at least a frame, and 4 frames apart")

    def place(self, index: int) -> int:
        """Frames since the beginning of the last burst; −1 before the first burst."""
        return (index - self.first) % self.every if index >= self.first else -1

    def hits(self, index: int) -> bool:
        """Whether frame `index` lies in a burst."""
        return self.loss > 0 and 0 <= self.place(index) < self.frames

    def arrived(self, index: int, payloads: Mapping[int, bytes]) -> dict[int, bytes]:
        """The payloads of frame `index` that come through, perhaps none. The caller leaves key frames out."""
        if not self.hits(index):
            return dict(payloads)
        draw = np.random.default_rng((self.seed, index))
        lost = min(int(self.loss * len(payloads) + draw.random()), len(payloads))
        gone = {int(j) for j in draw.permutation(sorted(payloads))[:lost]}
        return {j: data for j, data in payloads.items() if j not in gone}
