"""Simulated packet loss (paper 3, 4.4): random zeroing of latents, and what a decoder makes of lost motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

NEAR = ((1.0, 2.0, 1.0), (2.0, 0.0, 2.0), (1.0, 2.0, 1.0))

NO_LOSS_SHARE = 0.8
LOSS_RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


@dataclass(frozen=True, slots=True)
class LossDistribution:
    """With probability `none` nothing is lost, else one of `rates`, each alike (paper 4.4)."""

    none: float = NO_LOSS_SHARE
    rates: tuple[float, ...] = LOSS_RATES

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """(count,) loss rates."""
        lossy = generator.random(count) >= self.none
        return np.where(lossy, generator.choice(self.rates, count), 0.0)


NO_LOSS = LossDistribution(none=1.0)
PAPER_LOSS = LossDistribution()


def residual_mask(shape: torch.Size, rates: Tensor, generator: torch.Generator) -> Tensor:
    """(B, C, h, w) of 0 and 1: each element is lost on its own, as the packets' element mapping does it.

    rates: (B,) on the generator's device."""
    return (torch.rand(shape, generator=generator, device=generator.device) >= rates[:, None, None, None]).float()


def fill_gaps(motion: Tensor, received: Tensor) -> Tensor:
    """grace_codec.motion.search.fill_gaps in PyTorch: motion (B, C, h, w), received (B, 1, h, w) of 0 and 1.

    On a GPU nobody looks whether all is filled: that would make the processor wait for it."""
    count = motion.shape[1]
    near = torch.tensor(NEAR, device=motion.device)[None, None]
    known, out = received, motion * received
    for _ in range(max(motion.shape[2:])):
        if motion.device.type == "cpu" and bool((known > 0).all()):
            break
        weight = F.conv2d(known, near, padding=1)
        total = F.conv2d(out, near.repeat(count, 1, 1, 1), padding=1, groups=count)
        new = (known == 0) & (weight > 0)
        out = torch.where(new, torch.round(total / weight.clamp(min=1)), out)
        known = torch.where(new, torch.ones_like(known), known)
    return out
