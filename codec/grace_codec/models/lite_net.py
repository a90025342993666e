"""grace-lite's networks: a block DCT with learned, zero-preserving branches on both sides.

  residual r = frame - prediction        s = local scale of the prediction (divisive normalization)
  analysis:  (DCT(r) + branch(r; prediction)) / s            -> latents, divided by the level's steps when quantized
  synthesis: c = dequantized latents * s;  prediction + IDCT(c) + branch(IDCT(c); prediction, what was lost)

Branches have no bias and are gated by the prediction, so zero residuals give zero latents and zero latents give the
prediction exactly. Planes are floats in 0..255. ReLU-family activations only.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grace_codec.models import transform as tf
from grace_codec.models.transform import RANGE

LEVELS = 15
STEP_COARSE, STEP_FINE = 64.0, 0.78  # quantization step of the coarsest and finest level, luma; 27 % apart
CHROMA_STEP = 1.7  # times the luma step: SSIM, like the eye, looks at luma


def pack(y: Tensor, uv: Tensor) -> Tensor:
    """(B, 1, H, W), (B, 2, H/2, W/2) -> (B, 96, H/8, W/8)"""
    return torch.cat([F.pixel_unshuffle(y, 8), F.pixel_unshuffle(uv, 4)], 1)


def unpack(packed: Tensor) -> tuple[Tensor, Tensor]:
    return F.pixel_shuffle(packed[:, :64], 8), F.pixel_shuffle(packed[:, 64:], 4)


def local_scale(luma: Tensor) -> Tensor:
    """Perceptual scale of the prediction's luma (B, 1, H, W) -> (B, 1, H/16, W/16)."""
    mean = F.avg_pool2d(luma, 8)
    variance = F.relu(F.avg_pool2d(luma * luma, 8) - mean * mean)
    log_variance = F.avg_pool2d(torch.log(variance + tf.SCALE_FLOOR), 2) - math.log(tf.SCALE_UNIT)
    return torch.exp(tf.SCALE_POWER * log_variance).clamp(tf.SCALE_MIN, tf.SCALE_MAX)


def quantize(z: Tensor, steps: Tensor | None = None) -> Tensor:
    """To integers as transform.py says: the decisions of rate.FrameQuantizer. The gradient is the identity.

    z: (B, C, H, W) in steps; steps: (B, C, 1, 1), without which blocks that cannot be seen are coded as others are."""
    with torch.no_grad():
        magnitude = z.abs()
        threshold, rounding = _decisions(magnitude)
        kept = torch.where(magnitude < threshold, 0.0, torch.floor(magnitude + rounding).clamp(1, 32767))
        if steps is not None:
            kept = kept * _visible(kept, steps)
        change = torch.sign(z) * kept - z
    return z + change


def _decisions(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, 1, 1) thresholds of a one, and what is added before the floor, by each scale channel's mean magnitude."""
    first = torch.where(magnitude < tf.DEAD_ZONE, 0.0, torch.floor(magnitude + tf.MEAN_ROUNDING))
    mean, cut = first.mean((2, 3), dtype=torch.float64), 4 * tf.LUMA_FREQUENCIES
    luma = mean[:, :cut].reshape(len(mean), -1, 4).mean(2).repeat_interleave(4, 1)
    m = torch.cat([luma, mean[:, cut:]], 1)[:, :, None, None].clamp(2.0**-12, 512.0)
    t = (torch.sqrt(1 + 4 * m * m) - 1) / (2 * m)
    one, unit = torch.log2(1 - t) - torch.log2(t * (1 - t * t) / 2), -2 * torch.log2(t)
    threshold = (0.5 + tf.ONE_PRICE * one).clamp(tf.DEAD_ZONE, tf.MAX_DEAD_ZONE)
    return threshold.float(), (0.5 - tf.UNIT_PRICE * unit).clamp(tf.MIN_ROUNDING, 0.5).float()


def _visible(kept: Tensor, steps: Tensor) -> Tensor:
    """(B, C, H, W), 1 but for 8x8 luma blocks whose values together move no pixel."""
    cut = 4 * tf.LUMA_FREQUENCIES
    reach = torch.from_numpy(tf.reach(tf.LUMA_FREQUENCIES)).to(kept.device).repeat_interleave(4)[:, None, None]
    moved = kept[:, :cut] * (reach * steps[:, :cut])
    moved = moved.reshape(len(kept), -1, 4, *kept.shape[2:]).sum(1)
    seen = (moved >= tf.VISIBLE).to(kept.dtype).repeat(1, tf.LUMA_FREQUENCIES, 1, 1)
    return torch.cat([seen, torch.ones_like(kept[:, cut:])], 1)


def _conv(inputs: int, outputs: int, size: int = 1, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


def _zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    return conv


class Block(nn.Module):
    """Residual block without biases: zero in, zero out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = _conv(width, width, 3), _conv(width, width, 3)
        nn.init.kaiming_normal_(self.a.weight)
        nn.init.normal_(self.b.weight, std=0.2 / math.sqrt(9 * width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.b(F.relu(self.a(x)))
        return out


def _blocks(width: int, count: int) -> nn.Module:
    return Block(width) if count == 1 else nn.Sequential(*[Block(width) for _ in range(count)])


class Gate(nn.Module):
    """What the prediction lets through, 0..2 per feature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(96, width, 1), nn.Conv2d(width, width, 1)

    def forward(self, packed: Tensor) -> Tensor:
        return 2 * F.hardsigmoid(self.b(F.relu(self.a(packed / 128 - 1))))


class Analysis(nn.Module):
    """The residual encoder: (B, C, H/16, W/16) latents before quantization."""

    def __init__(self, width: int, deep: int, blocks: int = 1) -> None:
        super().__init__()
        self.luma, self.chroma = _linear_analysis()
        self.enter, self.gate, self.near = _conv(96, width), Gate(width), _blocks(width, blocks)
        self.down, self.far = _conv(width, deep, 3, 2), _blocks(deep, blocks)
        self.leave = _zeroed(_conv(deep, tf.CHANNELS))

    def forward(self, y: Tensor, uv: Tensor, py: Tensor, puv: Tensor) -> Tensor:
        ry, ruv = y - py, uv - puv
        with torch.autocast(ry.device.type, enabled=False):  # eight bits of mantissa are too few for the transform
            luma = F.pixel_unshuffle(self.luma(F.pixel_unshuffle(ry, 8)), 2)
            linear = torch.cat([luma, self.chroma(F.pixel_unshuffle(ruv, 8))], 1)
        hidden = self.near(self.enter(pack(ry, ruv) / RANGE) * self.gate(pack(py, puv)))
        branch = self.leave(self.far(self.down(hidden))).float()
        out: Tensor = (linear + branch * RANGE) / local_scale(py)
        return out


class Synthesis(nn.Module):
    """The residual decoder: dequantized latents and the prediction to the frame (not yet rounded)."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.luma, self.chroma = _linear_synthesis()
        self.enter, self.gate = _conv(96, width), Gate(width)
        self.body = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.lost = _zeroed(_conv(tf.LOST_FREQUENCIES + 1, width))
        self.leave = _zeroed(_conv(width, 96))

    def forward(
        self, coefficients: Tensor, py: Tensor, puv: Tensor, gain: Tensor, lost: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """coefficients: (B, C, H/16, W/16); gain: (B, width, 1, 1), the level's; lost: (B, LOST_FLAGS, H/16, W/16),
        1 where a low luma frequency or (last channel) the vector did not arrive."""
        scaled = coefficients * local_scale(py)
        cut = 4 * tf.LUMA_FREQUENCIES
        with torch.autocast(py.device.type, enabled=False):
            ly = F.pixel_shuffle(self.luma(F.pixel_shuffle(scaled[:, :cut], 2)), 8)
            luv = F.pixel_shuffle(self.chroma(scaled[:, cut:]), 8)
        hidden = self.enter(pack(ly, luv) / RANGE) * self.gate(pack(py, puv)) * gain
        hidden = self.body[0](hidden)
        if lost is not None:  # what the neighbours say counts for more where a position's own elements are missing
            hidden = hidden * (1 + self.lost(_lost_at_eighth(lost)))
        dy, duv = unpack(self.leave(self.body[1:](hidden)).float() * RANGE)
        return py + ly + dy, puv + luv + duv


def _lost_at_eighth(lost: Tensor) -> Tensor:
    """(B, LOST_FLAGS, H/16, W/16) -> (B, LOST_FREQUENCIES + 1, H/8, W/8)"""
    residual = F.pixel_shuffle(lost[:, :-1], 2)
    return torch.cat([residual, F.interpolate(lost[:, -1:], scale_factor=2.0, mode="nearest")], 1)


def _linear_analysis() -> tuple[nn.Conv2d, nn.Conv2d]:
    luma = _conv(64, tf.LUMA_FREQUENCIES)
    chroma = nn.Conv2d(128, 2 * tf.CHROMA_FREQUENCIES, 1, groups=2, bias=False)
    luma.weight.data = torch.from_numpy(tf.basis(tf.LUMA_FREQUENCIES))[:, :, None, None].clone()
    chroma.weight.data = torch.from_numpy(tf.basis(tf.CHROMA_FREQUENCIES))[:, :, None, None].repeat(2, 1, 1, 1)
    return luma, chroma


def _linear_synthesis() -> tuple[nn.Conv2d, nn.Conv2d]:
    luma = _conv(tf.LUMA_FREQUENCIES, 64)
    chroma = nn.Conv2d(2 * tf.CHROMA_FREQUENCIES, 128, 1, groups=2, bias=False)
    luma.weight.data = torch.from_numpy(tf.basis(tf.LUMA_FREQUENCIES)).T[:, :, None, None].clone()
    chroma.weight.data = torch.from_numpy(tf.basis(tf.CHROMA_FREQUENCIES)).T[:, :, None, None].repeat(2, 1, 1, 1)
    return luma, chroma


class LiteNet(nn.Module):
    """Everything grace-lite learns. The level is a float in 0 .. LEVELS - 1; what lies between is interpolated."""

    def __init__(self, width: int = 64, deep: int = 96, blocks: int = 2) -> None:
        super().__init__()
        self.analysis, self.synthesis = Analysis(width, deep), Synthesis(width, blocks)
        luma = torch.linspace(math.log(STEP_COARSE), math.log(STEP_FINE), LEVELS)[:, None]
        offset = torch.zeros(tf.CHANNELS)
        offset[4 * tf.LUMA_FREQUENCIES :] = math.log(CHROMA_STEP)
        self.log_step = nn.Parameter(luma + offset)  # (LEVELS, C)
        self.shrink = nn.Parameter(torch.full((LEVELS, tf.CHANNELS), 0.1))  # towards zero, in steps
        self.gain = nn.Parameter(torch.ones(LEVELS, width))

    def _at(self, table: Tensor, level: Tensor) -> Tensor:
        low = level.floor().clamp(0, LEVELS - 2).long()
        mix = (level - low)[:, None]
        return (table[low] * (1 - mix) + table[low + 1] * mix)[:, :, None, None]

    def steps(self, level: Tensor) -> Tensor:
        """(B,) -> (B, C, 1, 1)"""
        return self._at(self.log_step, level).exp()

    def dequantize(self, z: Tensor, level: Tensor) -> Tensor:
        """Integers to coefficients: where in its bin a value is put back is learned."""
        shrink = self._at(self.shrink, level).clamp(-tf.MAX_SHRINK, tf.MAX_SHRINK)
        return torch.sign(z.detach()) * F.relu(z.abs() - shrink) * self.steps(level)

    def decode(
        self, z: Tensor, py: Tensor, puv: Tensor, level: Tensor, lost: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        gain = self._at(self.gain, level)
        out: tuple[Tensor, Tensor] = self.synthesis(self.dequantize(z, level), py, puv, gain, lost)
        return out
