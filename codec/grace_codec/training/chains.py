"""Running sequences: each element of the batch is a clip being coded frame after frame, far beyond one step.

A model inside the prediction loop has to be trained on its own reconstructions over long chains; since no gradient
crosses a frame, chains of any length cost nothing. Owns which frame comes next; refuses to know networks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from grace_codec.training.clips import Clip, Crop, choose, cut


@dataclass(slots=True)
class Chain:
    """One running sequence; all integers, so that a checkpoint can hold it."""

    clip: int
    t: int
    end: int
    top: int
    left: int
    flip: int
    level_64ths: int

    FIELDS = ("clip", "t", "end", "top", "left", "flip", "level_64ths")

    def to_row(self) -> list[int]:
        return [getattr(self, name) for name in self.FIELDS]


@dataclass(frozen=True, slots=True)
class Batch:
    """The next frame of every chain. Planes uint8: y (B, 1, S, S), uv (B, 2, S/2, S/2); motion (B, 2, S/16, S/16).

    Where `fresh`, the chain has just begun: `before_*` is the frame before, to make a first reference of."""

    y: Tensor
    uv: Tensor
    before_y: Tensor
    before_uv: Tensor
    motion: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
    level: Tensor  # (B,) float
    fresh: list[bool]


class ChainPool:
    """Draws and advances chains. Everything random comes from (seed, step), so a resumed run continues the same."""

    def __init__(self, clips: list[Clip], size: int, batch: int, levels: int, seed: int, max_length: int = 30) -> None:
        self._clips, self._size, self._seed = clips, size, seed
        self._levels, self._max_length = levels, max_length
        self._weights = [len(c) for c in clips]
        self._chains: list[Chain | None] = [None] * batch

    def next(self, step: int) -> Batch:
        rng = random.Random(f"{self._seed}/{step}")
        rows, fresh = [], []
        for i, running in enumerate(self._chains):
            if running is None or running.t >= running.end:
                chain = self._chains[i] = self._draw(rng)
            else:
                chain = running
                chain.t += 1
            fresh.append(chain is not running)
            rows.append((self._crop(chain, chain.t), self._crop(chain, chain.t - 1), chain.level_64ths / 64))
        return _stack(rows, fresh)

    def _draw(self, rng: random.Random) -> Chain:
        index, top, left, flip = choose(self._clips, self._weights, self._size, rng)
        clip = self._clips[index]
        length = rng.randint(min(6, len(clip) - 1), min(self._max_length, len(clip) - 1))
        start = rng.randrange(len(clip) - length)
        level = rng.randint(0, 64 * (self._levels - 1))
        return Chain(index, start + 1, start + length, top, left, int(flip), level)

    def _crop(self, chain: Chain, t: int) -> Crop:
        return cut(self._clips[chain.clip], t, chain.top, chain.left, self._size, bool(chain.flip))

    def state(self) -> Tensor:
        """(B, 7) int64; -1 rows have not begun."""
        empty = [-1] * len(Chain.FIELDS)
        return torch.tensor([c.to_row() if c else empty for c in self._chains])

    def restore(self, state: Tensor) -> None:
        self._chains = [Chain(*map(int, row)) if int(row[0]) >= 0 else None for row in state]


def _stack(rows: list[tuple[Crop, Crop, float]], fresh: list[bool]) -> Batch:
    def planes(part: int, which: int) -> Tensor:
        return torch.from_numpy(np.stack([np.asarray(row[part][which]) for row in rows]))  # type: ignore[index]

    return Batch(
        planes(0, 0)[:, None],
        planes(0, 1),
        planes(1, 0)[:, None],
        planes(1, 1),
        np.stack([row[0][2] for row in rows]),
        torch.tensor([row[2] for row in rows], dtype=torch.float32),
        fresh,
    )
