"""One step's forward pass: code a frame of every chain, lose some of it, decode, weigh bits against quality.

The rate is a differentiable code length; the exact integer tables are the entropy coder's. The `grace` profile's pass
is grace-lite's, but motion is estimated, coded and lost inside it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grace_codec.models import transform as tf
from grace_codec.models.grace_net import GraceNet
from grace_codec.models.lite_net import LEVELS, STEP_COARSE, STEP_FINE, LiteNet, local_scale, quantize
from grace_codec.training.motion import FrameBatch, fill_gaps

CONTEXT_POWER = 0.8  # exponent with which the neighbourhood's activity scales a channel's mean magnitude
SSIM_WEIGHT = 250.0  # squared error per pixel that one unit of 1 - SSIM stands for
CHROMA_WEIGHT = 0.25
WARP_WEIGHT = 0.2  # of the prediction's own squared error, so that motion learns before the residual makes up for it


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
    """(B, C, h, w) -> (B,) bits of each frame's latents."""
    return laplace_bits(z, context_means(z)).sum((1, 2, 3))


def rate_weight(step: float) -> float:
    """Lambda: bits that one unit of squared error per pixel is worth at a quantization step (H.26x's 0.134 step^2)."""
    return 6.0 / (step * step) if math.isfinite(step) else 0.0


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


class Predictions(NamedTuple):
    """The encoder's prediction, the decoder's, which is another one where loss struck, and what survives.

    keep: (B, C, h, w) of 0 and 1, lost_motion: (B, 1, h, w), 1 where a vector was lost; None when nothing is lost."""

    encoder: FrameBatch
    decoder: FrameBatch
    keep: Tensor | None
    lost_motion: Tensor | None

    def lost(self) -> Tensor | None:
        """The flags the decoder is given: (B, LOST_FLAGS, h, w)."""
        if self.keep is None or self.lost_motion is None:
            return None
        return torch.cat([1 - self.keep[:, : 4 * tf.LOST_FREQUENCIES], self.lost_motion], 1)


class Coded(NamedTuple):
    """What a step made of a frame of every chain, without gradients.

    cost, bpp, ssim_db: (B,). shown: what the decoders show, uint8. symbols: (B, C, H/16, W/16). clean: what they would
    show had nothing been lost, uint8, where that is known at once."""

    cost: Tensor
    bpp: Tensor
    ssim_db: Tensor
    shown: FrameBatch
    symbols: Tensor
    clean: FrameBatch | None = None


class Objective(nn.Module):
    """Rate + lambda * distortion per chain, normalised so that every level weighs about the same."""

    def __init__(self, net: LiteNet, mixed: bool = True) -> None:
        """mixed: run the branches' convolutions in bfloat16."""
        super().__init__()
        self.net, self.mixed = net, mixed
        steps = torch.logspace(math.log10(STEP_COARSE), math.log10(STEP_FINE), LEVELS)
        self.register_buffer("weight", torch.tensor([rate_weight(float(s)) for s in steps]), persistent=False)

    def forward(self, y: Tensor, uv: Tensor, views: Predictions, level: Tensor) -> tuple[Tensor, Coded]:
        """y: (B, 1, H, W), uv: (B, 2, H/2, W/2) in 0..255. Returns the mean cost, with gradients, and the result."""
        steps = self.net.steps(level)
        with self.autocast():
            latents = self.net.analysis(y, uv, *views.encoder) / steps
        symbols = quantize(latents, steps.detach())
        rate = bits(symbols) / (y.shape[2] * y.shape[3])
        arrived = symbols if views.keep is None else symbols * views.keep
        with self.autocast():
            oy, ouv = self.net.decode(arrived, *views.decoder, level, views.lost())
        oy, ouv = rounded(oy), rounded(ouv)
        dissimilarity = 1 - ssim(oy, y)
        scale = F.interpolate(local_scale(y), scale_factor=16.0, mode="nearest")
        error = (((oy - y) / scale) ** 2).mean((1, 2, 3)) * (1 - CHROMA_WEIGHT)
        error = error + ((ouv - uv) ** 2).mean((1, 2, 3)) * CHROMA_WEIGHT
        weight = self.weight_at(level)
        distortion = 0.5 * error + SSIM_WEIGHT * dissimilarity
        cost = (rate / weight + distortion) * weight.sqrt()
        quality = decibel(dissimilarity.detach())
        shown = pixels(oy), pixels(ouv)
        return cost.mean(), Coded(cost.detach(), rate.detach(), quality, shown, symbols.detach())

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


def rounded(x: Tensor) -> Tensor:
    """Whole values in 0..255, as a screen shows them. The gradient is the identity.

    Corrections of less than half a value come to nothing, or to scattered ones that cost SSIM and are coded again in
    the next frame: at the finest levels a decoder that is trained without rounding learns such corrections."""
    out: Tensor = x + (x.round().clamp(0, 255) - x).detach()
    return out


def pixels(x: Tensor) -> Tensor:
    """What a decoder shows: uint8."""
    return x.detach().round().clamp(0, 255).to(torch.uint8)


class PredictionSources(NamedTuple):
    """References of both ends as floats, and what survives of this frame: 1 where an element arrives."""

    encoder: FrameBatch
    decoder: FrameBatch
    keep_motion: Tensor  # (B, 1, H/16, W/16)
    keep_residual: Tensor  # (B, C, H/16, W/16)


Inputs = Predictions | PredictionSources
"""What an objective needs besides the frame."""


class GraceObjective(nn.Module):
    """Codes a frame of every chain with GraceNet. The residual's part is Objective's own."""

    def __init__(self, net: GraceNet, mixed: bool = True) -> None:
        super().__init__()
        self.net = net
        self.residual = Objective(net, mixed)

    def forward(self, y: Tensor, uv: Tensor, ends: PredictionSources, level: Tensor) -> tuple[Tensor, Coded]:
        """y: (B, 1, H, W), uv: (B, 2, H/2, W/2) in 0..255. As Objective.forward, with the motion's bits added."""
        estimated = self.net.estimate(y, uv, *ends.encoder)
        symbols = estimated + (torch.round(estimated) - estimated).detach()
        motion_bits = bits(symbols - _left(symbols)) / (y.shape[2] * y.shape[3])
        encoder = self._predict(symbols, ends.encoder)
        rebuilt = fill_gaps(symbols, ends.keep_motion)
        decoder = self._predict(rebuilt, ends.decoder)
        views = Predictions(encoder, decoder, ends.keep_residual, 1 - ends.keep_motion)
        cost, coded = self.residual(y, uv, views, level)
        weight = self.residual.weight_at(level)
        warp_error = ((encoder[0] - y) ** 2).mean((1, 2, 3)) * WARP_WEIGHT
        cost = cost + (motion_bits / weight.sqrt() + warp_error * weight.sqrt()).mean()
        clean = self._clean(coded.symbols, encoder, level)
        return cost, coded._replace(bpp=coded.bpp + motion_bits.detach(), clean=clean)

    def _predict(self, symbols: Tensor, reference: FrameBatch) -> FrameBatch:
        """The prediction as the decoder rounds it; the gradient passes through the rounding."""
        with self.residual.autocast():
            py, puv = self.net.predict(symbols, *reference)
        return _round(py.float()), _round(puv.float())

    @torch.no_grad()
    def _clean(self, symbols: Tensor, encoder: FrameBatch, level: Tensor) -> FrameBatch:
        """What the encoder believes the decoder shows."""
        with self.residual.autocast():
            y, uv = self.net.decode(symbols, *encoder, level)
        return pixels(y), pixels(uv)


def _left(symbols: Tensor) -> Tensor:
    """Each vector's left neighbour: differences are what the entropy coder's contexts leave, about."""
    return F.pad(symbols, (1, 0, 0, 0))[..., :-1]


def _round(x: Tensor) -> Tensor:
    clipped = x.clamp(0, 255)
    return clipped + (torch.round(clipped) - clipped).detach()
