"""The forward pass of the `grace` profile: as grace-lite's, but motion is estimated, coded and lost inside it."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grace_codec.models.grace_net import GraceNet
from grace_codec.training.loss_simulation import fill_gaps
from grace_codec.training.objective import Objective, Pictures, Views, pixels
from grace_codec.training.rate import bits

WARP_WEIGHT = 0.2  # of the prediction's own squared error: motion learns before the residual hides its faults


class Ends(NamedTuple):
    """References of both ends, 0..255 floats, and what survives of this frame: 1 where an element arrives."""

    encoder: Pictures
    decoder: Pictures
    keep_motion: Tensor  # (B, 1, H/16, W/16)
    keep_residual: Tensor  # (B, C, H/16, W/16)


class GraceObjective(nn.Module):
    """Codes a frame of every chain with GraceNet. The residual's part is Objective's own."""

    def __init__(self, net: GraceNet, mixed: bool = True) -> None:
        super().__init__()
        self.net = net
        self.residual = Objective(net, mixed)

    def forward(self, y: Tensor, uv: Tensor, ends: Ends, level: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """y: (B, 1, H, W), uv: (B, 2, H/2, W/2) in 0..255. As Objective.forward, with the motion's bits added."""
        estimated = self.net.estimate(y, uv, *ends.encoder)
        symbols = estimated + (torch.round(estimated) - estimated).detach()
        motion_bits = bits(symbols - _left(symbols)) / (y.shape[2] * y.shape[3])
        encoder = self._predict(symbols, ends.encoder)
        rebuilt = fill_gaps(symbols, ends.keep_motion)
        decoder = self._predict(rebuilt, ends.decoder)
        views = Views(encoder, decoder, ends.keep_residual, 1 - ends.keep_motion)
        cost, out = self.residual(y, uv, views, level)
        weight = self.residual.weight_at(level)
        warp_error = ((encoder[0] - y) ** 2).mean((1, 2, 3)) * WARP_WEIGHT
        cost = cost + (motion_bits / weight.sqrt() + warp_error * weight.sqrt()).mean()
        out["bpp"] = out["bpp"] + motion_bits.detach()
        out["clean_y"], out["clean_uv"] = self._clean(out["symbols"], encoder, level)
        return cost, out

    def _predict(self, symbols: Tensor, reference: Pictures) -> Pictures:
        """The prediction as the decoder rounds it; the gradient passes through the rounding."""
        with self.residual.autocast():
            py, puv = self.net.predict(symbols, *reference)
        return _round(py.float()), _round(puv.float())

    @torch.no_grad()
    def _clean(self, symbols: Tensor, encoder: Pictures, level: Tensor) -> Pictures:
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
