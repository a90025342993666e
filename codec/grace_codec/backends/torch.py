"""grace-lite's networks in PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F

from grace_codec.errors import ModelError
from grace_codec.models.lite_net import LiteNet
from grace_codec.models.networks import Bytes, Floats, LevelRows, Symbols


class TorchNetworks:
    def __init__(self, net: LiteNet, device: torch.device) -> None:
        self._net, self._device = net.to(device).eval(), device

    def _put(self, x: object) -> torch.Tensor:
        return torch.from_numpy(np.array(x, np.float32)).to(self._device)

    @torch.inference_mode()
    def analyse(self, y: Bytes, uv: Bytes, py: Bytes, puv: Bytes) -> Floats:
        latents: Floats = self._net.analysis(*map(self._put, (y, uv, py, puv))).cpu().numpy()
        return latents

    @torch.inference_mode()
    def synthesise(self, symbols: Symbols, lost: Bytes, level: LevelRows, py: Bytes, puv: Bytes) -> tuple[Bytes, Bytes]:
        z, flags, y, uv = map(self._put, (symbols, lost, py, puv))
        step, shrink, gain = map(self._put, level)
        coefficients = torch.sign(z) * F.relu(z.abs() - shrink) * step
        out = self._net.synthesis(coefficients, y, uv, gain, flags)
        oy, ouv = (x.round().clamp(0, 255).to(torch.uint8).cpu().numpy() for x in out)
        return oy, ouv


def load(weights: Mapping[str, Floats]) -> TorchNetworks:
    net = LiteNet()
    try:
        net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    except RuntimeError as error:
        raise ModelError(f"weights do not fit grace-lite: {error}") from error
    return TorchNetworks(net, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
