"""How many bits latents would cost: differentiable, for training. The exact integer tables are the entropy coder's."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CONTEXT_POWER = 0.8  # how far the neighbourhood's activity moves a channel's scale


def laplace_bits(z: Tensor, mean: Tensor) -> Tensor:
    """Bits of integers z under a zero-mean discretised Laplace with E|z| = mean, matched *after* quantization.

    t = (sqrt(1 + 4 m^2) - 1) / 2m, P(0) = 1 - t, P(+-k) = t^(2k-1) (1 - t^2) / 2. Between integers the bits grow
    smoothly, so that the gradient is right at every integer; at zero it is zero."""
    m = mean.clamp(1e-3, 512.0)
    t = (torch.sqrt(1 + 4 * m * m) - 1) / (2 * m)
    per_unit = -2 * torch.log2(t)
    magnitude = z.abs()
    outside = (magnitude - 0.5) * per_unit + 1 - torch.log2((1 - t * t).clamp_min(1e-6))
    zero = -torch.log2((1 - t).clamp_min(1e-6))
    return torch.where(magnitude < 0.5, zero.expand_as(outside), outside)


def context_means(z: Tensor) -> Tensor:
    """E|z| per element as the entropy coder's contexts see it: channel mean times the activity around the position.

    z: (B, C, h, w). Stands in for the backward-adaptive contexts; no gradient flows into it."""
    magnitude = z.detach().abs()
    channel = magnitude.mean((2, 3), keepdim=True)
    around = F.avg_pool2d(magnitude.mean(1, keepdim=True), 3, 1, 1, count_include_pad=False)
    activity = ((around + 1e-3) / (around.mean((2, 3), keepdim=True) + 1e-3)) ** CONTEXT_POWER
    return channel * activity / activity.mean((2, 3), keepdim=True)


def bits(z: Tensor) -> Tensor:
    """(B, C, h, w) -> (B,) bits of each picture's latents."""
    return laplace_bits(z, context_means(z)).sum((1, 2, 3))


def rate_weight(step: float) -> float:
    """Lambda: bits that one unit of squared error per pixel is worth at a quantization step (H.26x's 0.134 step^2)."""
    return 6.0 / (step * step) if math.isfinite(step) else 0.0
