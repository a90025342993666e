"""The decoded pictures each chain predicts from: the encoder's and, where loss has struck, the decoder's other one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from grace_codec.models import transform as tf
from grace_codec.motion.search import ReferencePicture
from grace_codec.training import overlap

Pictures = tuple[Tensor, Tensor]  # y (B, 1, S, S), uv (B, 2, S/2, S/2), uint8

DRIFT_FRAMES = (0, 0, 0, 1, 2, 3)  # frames until the encoder resyncs to what the decoder really has (paper 4.2)


def intra(planes: Tensor, step: Tensor) -> Tensor:
    """A first reference as good as the level: planes uint8 (B, C, H, W) through a quantized 8x8 DCT, step (B,)."""
    basis = torch.from_numpy(tf.basis(64)).to(planes.device)[:, :, None, None]
    b, c, h, w = planes.shape
    blocks = F.pixel_unshuffle(planes.float().reshape(b * c, 1, h, w) - 128, 8)
    unit = step.repeat_interleave(c)[:, None, None, None]
    coefficients = torch.round(F.conv2d(blocks, basis) / unit) * unit
    decoded = F.conv2d(coefficients, basis.transpose(0, 1).contiguous())
    return (F.pixel_shuffle(decoded, 8).reshape(b, c, h, w) + 128).round().clamp(0, 255).to(torch.uint8)


def compensate(y: Tensor, uv: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Motion-compensated predictions of uint8 references, as floats; motion (B, 2, h, w) of whole numbers.

    On the CPU the run-time code is the faster one; both give the same pixels."""
    if y.device.type != "cpu":
        return overlap.compensate(y, uv, motion)
    out = []
    field = motion.numpy().astype(np.int16)
    for i in range(len(y)):
        planes = y[i, 0].numpy(), uv[i, 0].numpy(), uv[i, 1].numpy()
        out.append(ReferencePicture(planes).compensate(field[i]))
    luma = torch.from_numpy(np.stack([o[0] for o in out])).float()[:, None]
    return luma, torch.from_numpy(np.stack([np.stack(o[1:]) for o in out])).float()


class References:
    """Both ends' references of every chain, uint8. `left` counts the frames until resync; 0 means both are the same."""

    def __init__(self, batch: int, size: int, device: torch.device) -> None:
        self.encoder = _blank(batch, size, device)
        self.decoder = _blank(batch, size, device)
        self.left = torch.zeros(batch, dtype=torch.int64)

    def begin(self, fresh: list[int], y: Tensor, uv: Tensor) -> None:
        """Chains `fresh` start from these pictures, one each."""
        for ends in (self.encoder, self.decoder):
            ends[0][fresh], ends[1][fresh] = y, uv
        self.left[fresh] = 0

    def advance(self, clean: Pictures, decoded: Pictures, lost: Tensor, wait: Tensor) -> None:
        """Move every chain on. clean: what the encoder believes; decoded: what the decoder has; lost, wait: (B,).

        Where loss strikes, the encoder goes on with its own picture for `wait` frames, then takes the decoder's."""
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


def _blank(batch: int, size: int, device: torch.device) -> Pictures:
    return (
        torch.zeros(batch, 1, size, size, dtype=torch.uint8, device=device),
        torch.zeros(batch, 2, size // 2, size // 2, dtype=torch.uint8, device=device),
    )
