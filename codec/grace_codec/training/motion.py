"""The motion code of `grace_codec.motion` in PyTorch, for batches on any device: the same pixels, the same vectors."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from grace_codec.motion.compensation import ReferenceFrame, window
from grace_codec.motion.field import BLOCK
from grace_codec.motion.interpolation import PADDING, PHASES, taps

FrameBatch = tuple[Tensor, Tensor]
"""Planes of frames: y (B, 1, H, W) and uv (B, 2, H/2, W/2), uint8 or floats in 0..255."""

NEAR = ((1.0, 2.0, 1.0), (2.0, 0.0, 2.0), (1.0, 2.0, 1.0))


def compensate(y: Tensor, uv: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Motion-compensated predictions of uint8 references, as floats; motion (B, 2, h, w) of whole numbers.

    On the CPU the run-time code is the faster one; both give the same pixels."""
    if y.device.type != "cpu":
        return compensate_on_device(y, uv, motion)
    out = []
    field = motion.numpy().astype(np.int16)
    for i in range(len(y)):
        planes = y[i, 0].numpy(), uv[i, 0].numpy(), uv[i, 1].numpy()
        out.append(ReferenceFrame(planes).compensate(field[i]))
    luma = torch.from_numpy(np.stack([o[0] for o in out])).float()[:, None]
    return luma, torch.from_numpy(np.stack([np.stack(o[1:]) for o in out])).float()


def compensate_on_device(y: Tensor, uv: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """As `compensate`, made where the tensors are.

    y (B, 1, H, W) and uv (B, 2, H/2, W/2): uint8 references, H and W multiples of 16. motion: (B, 2, H/16, W/16), whole
    numbers. Returns the predictions as floats with whole values."""
    field = F.pad(motion.float(), (1, 1, 1, 1), mode="replicate").long()
    halved = torch.round(field / 2).long()
    luma = _overlap(y.float(), field, BLOCK)
    b, c = uv.shape[:2]
    each = halved.repeat_interleave(c, 0)
    chroma = _overlap(uv.float().reshape(b * c, 1, *uv.shape[2:]), each, BLOCK // 2)
    return luma, chroma.reshape(uv.shape)


def _phases(plane: Tensor, block: int) -> Tensor:
    """(B, 1, H, W) -> (B, 16, H + 2 pad, W + 2 pad), phase 4 * x + y."""
    pad = PADDING * block // BLOCK
    kernel = torch.from_numpy(taps(block)).to(plane.device)
    count = kernel.shape[1]
    before = count // 2 - 1
    padded = F.pad(plane, (pad + before, pad + count - 1 - before) * 2, mode="replicate")
    across = F.conv2d(padded, kernel[:, None, None])  # (B, 4, H', W)
    b, _, h, w = across.shape
    down = F.conv2d(across.reshape(b * PHASES, 1, h, w), kernel[:, None, :, None])
    return down.reshape(b, PHASES * PHASES, *down.shape[2:]).round().clamp(0, 255)


def _overlap(plane: Tensor, field: Tensor, block: int) -> Tensor:
    phases = _phases(plane, block)
    b, _, tall, wide = phases.shape
    height, width = plane.shape[2:]
    pad = PADDING * block // BLOCK
    fraction, whole = field & (PHASES - 1), field >> 2
    code = PHASES * fraction[:, 0] + fraction[:, 1]
    start = code * (tall * wide) + (whole[:, 1] + pad) * wide + whole[:, 0] + pad  # (B, h + 2, w + 2)
    rows = torch.arange(height, device=plane.device)[:, None] * wide
    own = rows + torch.arange(width, device=plane.device)[None]
    weights = torch.from_numpy(window(block)).to(plane.device)
    total = torch.zeros_like(plane[:, 0])
    h, w = height // block, width // block
    for i in range(3):
        for j in range(3):
            part = start[:, i : i + h, j : j + w].repeat_interleave(block, 1).repeat_interleave(block, 2)
            share = weights[(2 - i) * block : (3 - i) * block, (2 - j) * block : (3 - j) * block].repeat(h, w)
            pixels = phases.reshape(b, -1).gather(1, (part + own).reshape(b, -1)).reshape(total.shape)
            total = total + pixels * share
    return total.round()[:, None]


def fill_gaps(motion: Tensor, received: Tensor) -> Tensor:
    """grace_codec.motion.concealment.fill_gaps in PyTorch: motion (B, C, h, w), received (B, 1, h, w) of 0 and 1.

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
