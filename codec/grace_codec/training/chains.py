"""Running sequences: each element of the batch is a clip being coded frame after frame, far beyond one step.

A model inside the prediction loop has to be trained on its own reconstructions over long chains; since no gradient
crosses a frame, chains of any length cost no more memory. Owns which frame comes next, and what both ends of each chain
predict it from; knows no networks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from grace_codec.models import transform as tf
from grace_codec.training.data import ClipStore, Crops
from grace_codec.training.motion import FrameBatch


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


DRIFT_FRAMES = (0, 0, 0, 1, 2, 3)  # until the encoder takes the decoder's reference (paper 4.2)


def intra(planes: Tensor, step: Tensor) -> Tensor:
    """A first reference as good as the level: planes uint8 (B, C, H, W) through a quantized 8x8 DCT, step (B,)."""
    basis = torch.from_numpy(tf.basis(64)).to(planes.device)[:, :, None, None]
    b, c, h, w = planes.shape
    blocks = F.pixel_unshuffle(planes.float().reshape(b * c, 1, h, w) - 128, 8)
    unit = step.repeat_interleave(c)[:, None, None, None]
    coefficients = torch.round(F.conv2d(blocks, basis) / unit) * unit
    decoded = F.conv2d(coefficients, basis.transpose(0, 1).contiguous())
    return (F.pixel_shuffle(decoded, 8).reshape(b, c, h, w) + 128).round().clamp(0, 255).to(torch.uint8)


class References:
    """Both ends' references of every chain, uint8. `left` counts the frames until resync; 0 means both are the same."""

    def __init__(self, batch: int, size: int, device: torch.device) -> None:
        self.encoder = _blank(batch, size, device)
        self.decoder = _blank(batch, size, device)
        self.left = torch.zeros(batch, dtype=torch.int64)

    def begin(self, fresh: list[int], y: Tensor, uv: Tensor) -> None:
        """Chains `fresh` start from these frames, one each."""
        for ends in (self.encoder, self.decoder):
            ends[0][fresh], ends[1][fresh] = y, uv
        self.left[fresh] = 0

    def advance(self, clean: FrameBatch, decoded: FrameBatch, lost: Tensor, wait: Tensor) -> None:
        """Move every chain on. clean: what the encoder believes; decoded: what the decoder has; lost, wait: (B,).

        Where loss strikes, the encoder goes on with its own reference for `wait` frames, then takes the decoder's."""
        started = lost & (self.left == 0)
        self.left = (torch.where(started, wait + 1, self.left) - 1).clamp(min=0)
        apart = (self.left > 0).to(decoded[0].device)[:, None, None, None]
        self.decoder = decoded
        self.encoder = torch.where(apart, clean[0], decoded[0]), torch.where(apart, clean[1], decoded[1])

    def state(self) -> dict[str, Tensor]:
        names = ("encoder_y", "encoder_uv", "decoder_y", "decoder_uv")
        return {**dict(zip(names, (*self.encoder, *self.decoder), strict=True)), "left": self.left}

    def restore(self, state: dict[str, Tensor]) -> None:
        device = self.encoder[0].device
        self.encoder = state["encoder_y"].to(device), state["encoder_uv"].to(device)
        self.decoder = state["decoder_y"].to(device), state["decoder_uv"].to(device)
        self.left = state["left"].clone()


def _blank(batch: int, size: int, device: torch.device) -> FrameBatch:
    return (
        torch.zeros(batch, 1, size, size, dtype=torch.uint8, device=device),
        torch.zeros(batch, 2, size // 2, size // 2, dtype=torch.uint8, device=device),
    )
