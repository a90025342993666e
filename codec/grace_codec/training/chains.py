"""Running sequences: each element of the batch is a clip being coded frame after frame, far beyond one step.

A model inside the prediction loop has to be trained on its own reconstructions over long chains; since no gradient
crosses a frame, chains of any length cost nothing. Owns which frame comes next; refuses to know networks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from grace_codec.training.store import ClipStore, Crops


@dataclass(slots=True)
class Chain:
    """One running sequence; all integers, so that a checkpoint can hold it."""

    clip: int
    t: int
    end: int
    top: int
    left: int
    mirrored: int
    level_64ths: int

    FIELDS = ("clip", "t", "end", "top", "left", "mirrored", "level_64ths")

    def to_row(self) -> list[int]:
        return [getattr(self, name) for name in self.FIELDS]


@dataclass(frozen=True, slots=True)
class Batch:
    """The next frame of every chain. level: (B,) float. The chains in `fresh` have just begun: `before` holds the
    frames before theirs, in that order, to make first references of."""

    frame: Crops
    level: Tensor
    fresh: list[int]
    before: Crops | None


class ChainPool:
    """Draws and advances chains. Everything random comes from (seed, step), so a resumed run continues the same."""

    def __init__(self, store: ClipStore, size: int, batch: int, levels: int, seed: int, max_length: int = 30) -> None:
        self._store, self._size, self._seed = store, size, seed
        self._levels, self._max_length = levels, max_length
        self._chains: list[Chain | None] = [None] * batch

    def next(self, step: int) -> Batch:
        rng = random.Random(f"{self._seed}/{step}")
        chains: list[Chain] = []
        fresh = []
        for i, running in enumerate(self._chains):
            if running is None or running.t >= running.end:
                chain = self._chains[i] = self._draw(rng)
                fresh.append(i)
            else:
                chain = running
                chain.t += 1
            chains.append(chain)
        level = torch.tensor([chain.level_64ths / 64 for chain in chains]).to(self._store.device)
        before = self._crops([chains[i] for i in fresh], 1) if fresh else None
        return Batch(self._crops(chains, 0), level, fresh, before)

    def _draw(self, rng: random.Random) -> Chain:
        index, top, left, mirrored = self._store.choose(self._size, rng)
        frames = self._store.shapes[index][0]
        length = rng.randint(min(6, frames - 1), min(self._max_length, frames - 1))
        start = rng.randrange(frames - length)
        finest = 64 * (self._levels - 1)
        level = max(rng.randint(0, finest), rng.choice((0, rng.randint(0, finest))))  # fine ones are harder
        return Chain(index, start + 1, start + length, top, left, int(mirrored), level)

    def _crops(self, chains: list[Chain], back: int) -> Crops:
        """The frame of each chain that lies `back` frames back."""
        where = [(c.clip, c.t - back, c.top, c.left, c.mirrored) for c in chains]
        return self._store.crops(torch.tensor(where), self._size)

    def state(self) -> Tensor:
        """(B, 7) int64; -1 rows have not begun."""
        empty = [-1] * len(Chain.FIELDS)
        return torch.tensor([c.to_row() if c else empty for c in self._chains])

    def restore(self, state: Tensor) -> None:
        self._chains = [Chain(*map(int, row)) if int(row[0]) >= 0 else None for row in state]
