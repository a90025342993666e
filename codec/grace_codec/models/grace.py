"""`grace` at run time: every step of the encoder is a network in PyTorch, meant for a GPU, correct on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.models import pixels
from grace_codec.models import transform as tf
from grace_codec.models.api import Analysis, Floats, Profile, Reconstruction
from grace_codec.models.grace_net import MAX_FLOW_PX, MOTION_CHANNELS, GraceNet
from grace_codec.models.levels import LevelTables
from grace_codec.models.lite import lost_flags
from grace_codec.motion.concealment import fill_gaps
from grace_codec.motion.field import LEAST_BIT_PRICE, Motion
from grace_codec.types import Plane, Planes

STILL_PER_PIXEL = 0.7  # blocks that differ by less from the reference do not move
MAX_SYMBOL = int(4 * MAX_FLOW_PX)


class GraceModel:
    """The VideoModel of `grace`."""

    def __init__(self, profile: Profile, net: GraceNet, device: torch.device) -> None:
        self.profile = profile
        self._net, self._device = net.to(device).eval(), device
        self._levels = LevelTables({k: v.detach().cpu().float().numpy() for k, v in net.state_dict().items()})

    @torch.inference_mode()
    def analyse(self, frame: Planes, reference: Planes, bit_price: float = LEAST_BIT_PRICE) -> Analysis:
        """Raises ValueError where the sizes differ. bit_price: unused, motion is estimated by a network."""
        if frame[0].shape != reference[0].shape:
            raise ValueError(f"frame is {frame[0].shape}, its reference {reference[0].shape}")
        (y, uv), (ry, ruv) = self._put(pixels.pad(frame)), self._put(pixels.pad(reference))
        symbols = self._net.estimate(y, uv, ry, ruv).round().clamp(-MAX_SYMBOL, MAX_SYMBOL)
        moving = F.avg_pool2d((y - ry).abs(), 16) >= STILL_PER_PIXEL
        symbols = torch.nan_to_num(symbols) * moving
        latents = self._net.analysis(y, uv, *self._predict(symbols, ry, ruv))
        motion = symbols[0].cpu().numpy().astype(np.int16)
        return Analysis(motion, np.nan_to_num(latents[0].float().cpu().numpy()))

    def steps(self, level: int) -> Floats:
        return self._levels.steps(level)

    def quantize(self, analysis: Analysis, level: int) -> Latents:
        return Latents(analysis.motion, self._levels.quantize(analysis.residual, level), level)

    @torch.inference_mode()
    def reconstruct(self, reference: Planes, received: ReceivedLatents) -> Reconstruction:
        motion = self._motion(received)
        ry, ruv = self._put(pixels.pad(reference))
        symbols = torch.from_numpy(motion.astype(np.float32))[None].to(self._device)
        py, puv = self._predict(symbols, ry, ruv)
        z = torch.from_numpy(received.residual.astype(np.float32))[None].to(self._device)
        step, shrink, gain = (torch.from_numpy(row).to(self._device) for row in self._levels.rows(received.level))
        flags = torch.from_numpy(lost_flags(received).astype(np.float32)).to(self._device)
        coefficients = torch.sign(z) * F.relu(z.abs() - shrink) * step
        out = self._take(*self._net.synthesis(coefficients, py, puv, gain, flags))
        return Reconstruction(pixels.crop(out, *reference[0].shape), motion)

    @torch.inference_mode()
    def replay(self, reference: Planes, received: ReceivedLatents) -> Planes:
        ry, ruv = self._put(pixels.pad(reference))
        vectors = torch.from_numpy(self._motion(received)[:2].astype(np.float32) / 4)[None].to(self._device)
        flow = F.interpolate(vectors, (ry.shape[2], ry.shape[3]), mode="bilinear", align_corners=False)
        prediction = self._take(*self._net.warp(ry, ruv, flow))
        height, width = reference[0].shape
        return self._levels.apply(prediction, received.residual, received.level, (height, width))

    def _predict(self, symbols: Tensor, ry: Tensor, ruv: Tensor) -> tuple[Tensor, Tensor]:
        py, puv = self._net.predict(symbols, ry, ruv)
        return torch.nan_to_num(py).round().clamp(0, 255), torch.nan_to_num(puv).round().clamp(0, 255)

    def _put(self, planes: Planes) -> tuple[Tensor, Tensor]:
        y, u, v = (torch.from_numpy(p.astype(np.float32)).to(self._device) for p in planes)
        return y[None, None], torch.stack([u, v])[None]

    @staticmethod
    def _take(y: Tensor, uv: Tensor) -> Planes:
        def plane(x: Tensor) -> Plane:
            return np.asarray(torch.nan_to_num(x).round().clamp(0, 255).to(torch.uint8).cpu().numpy())

        return plane(y[0, 0]), plane(uv[0, 0]), plane(uv[0, 1])

    @staticmethod
    def _motion(received: ReceivedLatents) -> Motion:
        known = received.motion_mask.all(axis=0)
        motion = received.motion.clip(-MAX_SYMBOL, MAX_SYMBOL).astype(np.int16)
        return motion if bool(np.all(known)) else fill_gaps(motion, np.asarray(known, np.bool_))


def profile(name: str, wire_id: int, model_id: int, levels: int) -> Profile:
    return Profile(name, wire_id, model_id, levels, tf.LUMA_FREQUENCIES, tf.CHROMA_FREQUENCIES, MOTION_CHANNELS)
