"""The decoded pictures each chain predicts from: the encoder's and, where loss has struck, the decoder's other one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from grace_codec.models import transform as tf
from grace_codec.motion import Motion, ReferencePicture

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


def compensate(y: Tensor, uv: Tensor, motion: Motion) -> tuple[Tensor, Tensor]:
    """Motion-compensated predictions of uint8 references, as floats; motion (B, 2, h, w)."""
    out = []
    for i in range(len(y)):
        planes = y[i, 0].numpy(), uv[i, 0].numpy(), uv[i, 1].numpy()
        out.append(ReferencePicture(planes).compensate(motion[i]))
    luma = torch.from_numpy(np.stack([o[0] for o in out])).float()[:, None]
    return luma, torch.from_numpy(np.stack([np.stack(o[1:]) for o in out])).float()


class References:
    """Both ends' references of every chain, uint8. `left` counts the frames until resync; 0 means both are the same."""

    def __init__(self, batch: int, size: int) -> None:
        self.encoder = _blank(batch, size)
        self.decoder = _blank(batch, size)
        self.left = torch.zeros(batch, dtype=torch.int64)

    def begin(self, i: int, y: Tensor, uv: Tensor) -> None:
        for ends in (self.encoder, self.decoder):
            ends[0][i], ends[1][i] = y, uv
        self.left[i] = 0

    def advance(
        self, i: int, clean: tuple[Tensor, Tensor] | None, decoded: tuple[Tensor, Tensor], lost: bool, wait: int
    ) -> None:
        """Move chain i on. clean: what the encoder believes (None: the same as decoded)."""
        if lost and self.left[i] == 0:
            self.left[i] = wait + 1
        self.left[i] = max(0, int(self.left[i]) - 1)
        apart = clean is not None and self.left[i] > 0
        encoder = clean if clean is not None and apart else decoded
        for plane in (0, 1):
            self.decoder[plane][i] = decoded[plane]
            self.encoder[plane][i] = encoder[plane]

    def state(self) -> dict[str, Tensor]:
        names = ("encoder_y", "encoder_uv", "decoder_y", "decoder_uv")
        return {**dict(zip(names, (*self.encoder, *self.decoder), strict=True)), "left": self.left}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.encoder = state["encoder_y"].clone(), state["encoder_uv"].clone()
        self.decoder = state["decoder_y"].clone(), state["decoder_uv"].clone()
        self.left = state["left"].clone()


def _blank(batch: int, size: int) -> tuple[Tensor, Tensor]:
    return (
        torch.zeros(batch, 1, size, size, dtype=torch.uint8),
        torch.zeros(batch, 2, size // 2, size // 2, dtype=torch.uint8),
    )
