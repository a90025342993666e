"""One step's forward pass: code a frame of every chain, lose some of it, decode, weigh bits against quality."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grace_codec.models import transform as tf
from grace_codec.models.lite_net import LEVELS, STEP_COARSE, STEP_FINE, LiteNet, local_scale, quantize
from grace_codec.training.rate import bits, rate_weight

Pictures = tuple[Tensor, Tensor]  # y (B, 1, H, W), uv (B, 2, H/2, W/2)

SSIM_WEIGHT = 250.0  # squared error per pixel that one unit of 1 - SSIM stands for
CHROMA_WEIGHT = 0.25


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """(B,) SSIM of luma in 0..255 over 8x8 boxes four pixels apart: cheap, and close enough to Gaussian windows."""

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 8, 4)

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    score = ((2 * ma * mb + 6.5025) * (2 * cov + 58.5225)) / ((ma * ma + mb * mb + 6.5025) * (va + vb + 58.5225))
    return score.mean((1, 2, 3))


def decibel(dissimilarity: Tensor) -> Tensor:
    return -10 * torch.log10(dissimilarity.clamp_min(1e-5))


class Views(NamedTuple):
    """What both ends predict from: the encoder's prediction, the decoder's (other where loss struck), what survives.

    keep: (B, C, h, w) of 0 and 1, lost_motion: (B, 1, h, w), 1 where a vector was lost; None when nothing is lost."""

    encoder: tuple[Tensor, Tensor]
    decoder: tuple[Tensor, Tensor]
    keep: Tensor | None
    lost_motion: Tensor | None

    def lost(self) -> Tensor | None:
        """The flags the decoder is given: (B, LOST_FLAGS, h, w)."""
        if self.keep is None or self.lost_motion is None:
            return None
        return torch.cat([1 - self.keep[:, : 4 * tf.LOST_FREQUENCIES], self.lost_motion], 1)


class Objective(nn.Module):
    """Rate + lambda * distortion per chain, normalised so that every level weighs about the same."""

    def __init__(self, net: LiteNet, mixed: bool = True) -> None:
        """mixed: run the branches' convolutions in bfloat16."""
        super().__init__()
        self.net, self.mixed = net, mixed
        steps = torch.logspace(math.log10(STEP_COARSE), math.log10(STEP_FINE), LEVELS)
        self.register_buffer("weight", torch.tensor([rate_weight(float(s)) for s in steps]), persistent=False)

    def forward(self, y: Tensor, uv: Tensor, views: Views, level: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """y: (B, 1, H, W), uv: (B, 2, H/2, W/2) in 0..255. Returns the cost and per-chain figures and pictures."""
        steps = self.net.steps(level)
        with self.autocast():
            latents = self.net.analysis(y, uv, *views.encoder) / steps
        symbols = quantize(latents, steps.detach())
        rate = bits(symbols) / (y.shape[2] * y.shape[3])
        arrived = symbols if views.keep is None else symbols * views.keep
        with self.autocast():
            oy, ouv = self.net.decode(arrived, *views.decoder, level, views.lost())
        oy, ouv = shown(oy), shown(ouv)
        dissimilarity = 1 - ssim(oy, y)
        scale = F.interpolate(local_scale(y), scale_factor=16.0, mode="nearest")
        error = (((oy - y) / scale) ** 2).mean((1, 2, 3)) * (1 - CHROMA_WEIGHT)
        error = error + ((ouv - uv) ** 2).mean((1, 2, 3)) * CHROMA_WEIGHT
        weight = self.weight_at(level)
        distortion = 0.5 * error + SSIM_WEIGHT * dissimilarity
        cost = (rate / weight + distortion) * weight.sqrt()
        figures = {"bpp": rate, "ssim_db": decibel(dissimilarity.detach()), "cost": cost}
        pictures = {"y": pixels(oy), "uv": pixels(ouv), "symbols": symbols}
        return cost.mean(), {k: v.detach() for k, v in {**figures, **pictures}.items()}

    def autocast(self) -> torch.autocast:
        device = next(self.net.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.mixed)

    def weight_at(self, level: Tensor) -> Tensor:
        """Lambda of each chain's level: (B,)."""
        weight = self.get_buffer("weight")
        low = level.floor().clamp(0, LEVELS - 2).long()
        mix = level - low
        out: Tensor = torch.exp(torch.log(weight[low]) * (1 - mix) + torch.log(weight[low + 1]) * mix)
        return out


def shown(x: Tensor) -> Tensor:
    """As a screen shows it: whole values in 0..255. The gradient is the identity.

    Corrections of less than half a value come to nothing, or to scattered ones that cost SSIM and are coded again in
    the next frame: at the finest levels a decoder that is trained without rounding learns such corrections."""
    rounded: Tensor = x + (x.round().clamp(0, 255) - x).detach()
    return rounded


def pixels(x: Tensor) -> Tensor:
    """What a decoder shows: uint8."""
    return x.detach().round().clamp(0, 255).to(torch.uint8)
