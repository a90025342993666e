"""Simulated packet loss (paper 3, 4.4): random zeroing of latents, and what a decoder makes of lost motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grace_codec.motion import Motion, fill_gaps

Lost = npt.NDArray[np.bool_]

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
    """(B, C, h, w) of 0 and 1: each element is lost on its own, as the packets' element mapping does it."""
    return (torch.rand(shape, generator=generator) >= rates[:, None, None, None]).float()


def lose_motion(motion: Motion, rate: float, generator: np.random.Generator) -> tuple[Motion, Lost]:
    """The field (2, h, w) as the decoder rebuilds it when `rate` of the vectors are lost, and which were (h, w)."""
    lost = generator.random(motion.shape[1:]) < rate
    return (fill_gaps(motion, ~lost) if lost.any() else motion), lost
