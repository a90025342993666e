"""All training frames in a few flat tensors on the training device, so that a batch of crops is one gather.

Owns where a clip's planes lie; refuses to know which frame comes next.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import torch
from torch import Tensor

from grace_codec.errors import CodecError
from grace_codec.motion.search import BLOCK
from grace_codec.training.clips import Clip


class Crops(NamedTuple):
    """Squares of frames: y (B, 1, S, S) and uv (B, 2, S/2, S/2) uint8, motion (B, 2, S/16, S/16) int16."""

    y: Tensor
    uv: Tensor
    motion: Tensor


class ClipStore:
    """Frames and motion of many clips. The list it is made of is emptied on the way: memory is needed only once."""

    def __init__(self, clips: list[Clip], device: torch.device) -> None:
        self.device = device
        self.shapes = [clip.y.shape for clip in clips]  # (T, H, W)
        pixels = torch.tensor([[0, 0, 0], *self.shapes]).prod(1)
        start = pixels.cumsum(0)
        self._first = start[:-1].to(device)
        self._height, self._width = (torch.tensor([s[i] for s in self.shapes]).to(device) for i in (1, 2))
        total = int(start[-1])
        blocks = BLOCK * BLOCK
        self._y = torch.empty(total, dtype=torch.uint8, device=device)
        self._uv = torch.empty(total // 2, dtype=torch.uint8, device=device)
        self._motion = torch.empty(total // blocks * 2, dtype=torch.int16, device=device)
        for i in reversed(range(len(clips))):
            clip, a, b = clips.pop(), int(start[i]), int(start[i + 1])
            self._y[a:b] = torch.from_numpy(clip.y).reshape(-1)
            self._uv[a // 2 : b // 2] = torch.from_numpy(clip.uv).reshape(-1)
            self._motion[a // blocks * 2 : b // blocks * 2] = torch.from_numpy(clip.motion).reshape(-1)

    def __len__(self) -> int:
        return len(self.shapes)

    def crops(self, where: Tensor, size: int) -> Crops:
        """where: (B, 5) integers: clip, frame, top, left (multiples of 16) and whether mirrored."""
        clip, t, top, left, mirrored = where.to(self.device).unbind(1)
        height, width, first = self._height[clip], self._width[clip], self._first[clip]
        area = height * width
        y = _squares(self._y, first + t * area, width, top, left, size, mirrored)[:, None]

        def pair(flat: Tensor, unit: int, count: int) -> Tensor:
            """Two planes a frame, each `unit` times smaller per side."""
            begin = first // (unit * unit) * 2 + t * 2 * (area // (unit * unit))
            parts = [
                _squares(
                    flat, begin + i * (area // (unit * unit)), width // unit, top // unit, left // unit, count, mirrored
                )
                for i in (0, 1)
            ]
            return torch.stack(parts, 1)

        motion = pair(self._motion, BLOCK, size // BLOCK)
        motion[:, 0] *= 1 - 2 * mirrored[:, None, None].to(torch.int16)
        return Crops(y, pair(self._uv, 2, size // 2), motion)

    def choose(self, size: int, rng: random.Random) -> tuple[int, int, int, bool]:
        """Index of a clip (long ones more often) that is large enough, a block-aligned corner, whether to mirror."""
        for _ in range(1000):
            index = rng.choices(range(len(self)), [shape[0] for shape in self.shapes])[0]
            _, height, width = self.shapes[index]
            if min(height, width) >= size:
                top, left = (rng.randrange((side - size) // BLOCK + 1) * BLOCK for side in (height, width))
                return index, top, left, rng.random() < 0.5
        raise CodecError(f"no clip is as large as the {size} px crop")


def _squares(
    flat: Tensor, begin: Tensor, width: Tensor, top: Tensor, left: Tensor, size: int, mirrored: Tensor
) -> Tensor:
    """(B, size, size) of the planes that begin at `begin` and are `width` wide; all but flat and size are (B,)."""
    along = torch.arange(size, device=flat.device)
    columns = torch.where(mirrored[:, None] > 0, size - 1 - along, along)  # (B, size)
    corner = begin + top * width + left
    index = corner[:, None, None] + along[None, :, None] * width[:, None, None] + columns[:, None]
    return flat[index]
