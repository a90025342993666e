"""The networks of the `grace` profile: motion estimation, motion coder, smoothing and residual coder, all on the GPU.

  frame, reference -> MotionEstimation -> flow -> MotionCoder -> integers -> flow' -> warp -> Smoothing -> prediction
  residual -> the same block transform as grace-lite with much wider branches -> latents; and back

The same laws hold as in grace-lite: no biases behind anything that is zero, so zero motion and zero latents decode to
exactly the reference. ReLU-family activations only. Planes are floats in 0..255. Convolutions take 158 kMAC per luma
pixel to encode (motion estimation 16, prediction 66, analysis 33, synthesis of the sender's own reference 43), and 109
to decode.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grace_codec.models.lite_net import Analysis, Block, LiteNet, Synthesis, _conv, _zeroed

MOTION_CHANNELS = 8  # two are the block's vector in quarter pels, the others learned detail
MAX_FLOW_PX = 128.0
WIDTH, DEEP, ENCODER_BLOCKS, DECODER_BLOCKS = 192, 256, 2, 4


def warp(planes: Tensor, flow: Tensor) -> Tensor:
    """Bicubic backward warp. planes (B, C, H, W), flow (B, 2, H, W) in px of these planes; zero flow is exact."""
    h, w = planes.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(h, device=planes.device, dtype=planes.dtype),
        torch.arange(w, device=planes.device, dtype=planes.dtype),
        indexing="ij",
    )
    flow = torch.nan_to_num(flow).clamp(-MAX_FLOW_PX, MAX_FLOW_PX)  # a non-finite flow crashes grid_sample
    gx, gy = (x + flow[:, 0]) * (2 / (w - 1)) - 1, (y + flow[:, 1]) * (2 / (h - 1)) - 1
    sampled = F.grid_sample(planes, torch.stack([gx, gy], -1), "bicubic", "border", align_corners=True)
    still = (flow == 0).all(1, keepdim=True)
    exact = planes + (sampled - sampled.detach())  # the reference's value, but motion may still learn to leave zero
    return torch.where(still, exact, sampled.clamp(0, 255))


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, with the vectors scaled to the new size's pixels."""
    scale = size[1] / flow.shape[3]
    return F.interpolate(flow, size, mode="bilinear", align_corners=False) * scale


class FlowStep(nn.Module):
    """One pyramid level: how the flow from below should change, from frame, warped reference and flow."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(8, width, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.leave = _zeroed(_conv(width, 2, 3))

    def forward(self, frame: Tensor, reference: Tensor, flow: Tensor) -> Tensor:
        warped = warp(reference, flow)
        seen = torch.cat([frame / 128 - 1, warped / 128 - 1, flow / 8], 1)
        out: Tensor = flow + self.leave(self.body(seen))
        return out


class MotionEstimation(nn.Module):
    """Coarse to fine over 1/16, 1/8, 1/4 and 1/2 of the luma's size; the result is one vector per 16x16 block, px."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList([FlowStep(w) for w in (96, 96, 64, 32)])

    def forward(self, frame: Tensor, reference: Tensor) -> Tensor:
        """(B, 3, H/2, W/2) each: luma halved, U, V. Returns (B, 2, H/16, W/16) in luma px."""
        b, _, h, w = frame.shape
        flow = frame.new_zeros(b, 2, h // 16, w // 16)
        for step, shrink in zip(self.steps, (8, 4, 2, 1), strict=True):
            size = h // shrink, w // shrink
            flow = resize_flow(flow, size)
            flow = step(_smaller(frame, shrink), _smaller(reference, shrink), flow)
        return F.avg_pool2d(flow, 8) * 2

    @staticmethod
    def halve(y: Tensor, uv: Tensor) -> Tensor:
        return torch.cat([F.avg_pool2d(y, 2), uv], 1)


def _smaller(x: Tensor, shrink: int) -> Tensor:
    return F.avg_pool2d(x, shrink) if shrink > 1 else x


class MotionCoder(nn.Module):
    """Vectors to integers and back: quarter pels as they are, plus learned channels; zero in, zero out both ways."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encode_detail = nn.Sequential(_conv(2, width, 3), Block(width), _zeroed(_conv(width, MOTION_CHANNELS - 2)))
        self.enter, self.body = _conv(MOTION_CHANNELS, width, 3), nn.Sequential(Block(width), Block(width))
        self.leave = _zeroed(_conv(width, 2 * 16))

    def encode(self, flow: Tensor) -> Tensor:
        """(B, 2, h, w) px -> (B, MOTION_CHANNELS, h, w) before rounding."""
        return torch.cat([flow * 4, self.encode_detail(flow) * 4], 1)

    def decode(self, symbols: Tensor, size: tuple[int, int]) -> Tensor:
        """Integers -> (B, 2, H, W) px: the blocks' vectors interpolated, plus detail at a quarter of its size."""
        blocks = symbols[:, :2] / 4
        detail = F.pixel_shuffle(self.leave(self.body(self.enter(symbols / 4))), 4)
        smooth = F.interpolate(blocks, scale_factor=4.0, mode="bilinear", align_corners=False)
        return F.interpolate(smooth + detail, size, mode="bilinear", align_corners=False)


class Smoothing(nn.Module):
    """Brings the warped reference nearer to the frame (paper 3); silent wherever nothing moved."""

    def __init__(self, width: int = 64, deep: int = 128) -> None:
        super().__init__()
        self.enter = nn.Conv2d(12 + 6, width, 3, padding=1)
        self.near, self.down = Block(width), _conv(width, deep, 3, 2)
        self.far, self.up = nn.Sequential(Block(deep), Block(deep)), _conv(deep, 4 * width)
        self.leave = _zeroed(_conv(width, 6, 3))

    def forward(self, y: Tensor, uv: Tensor, ry: Tensor, ruv: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Warped planes, the reference they came from, and the luma's flow (B, 2, H, W)."""
        moved = F.max_pool2d(flow.abs().amax(1, keepdim=True), 2).clamp(0, 1)  # at half the frame's size
        seen = torch.cat([self._half(y, uv), self._half(ry, ruv)], 1) / 128 - 1
        speed = F.avg_pool2d(flow, 2) / 16
        seen = torch.cat([seen, speed, speed.abs(), moved, 1 - moved], 1)
        near = self.near(F.relu(self.enter(seen)))
        deep = F.pixel_shuffle(self.up(self.far(F.relu(self.down(near)))), 2)
        change = self.leave(F.relu(near + deep)) * moved * 32
        return y + F.pixel_shuffle(change[:, :4], 2), uv + change[:, 4:]

    @staticmethod
    def _half(y: Tensor, uv: Tensor) -> Tensor:
        return torch.cat([F.pixel_unshuffle(y, 2), uv], 1)


class GraceNet(LiteNet):
    """Everything `grace` learns. The level tables and the transform are grace-lite's, the branches far wider."""

    def __init__(self) -> None:
        super().__init__(WIDTH, DEEP, DECODER_BLOCKS)
        self.analysis = Analysis(WIDTH, DEEP, ENCODER_BLOCKS)
        self.synthesis = Synthesis(WIDTH, DECODER_BLOCKS)
        self.estimation, self.motion, self.smoothing = MotionEstimation(), MotionCoder(), Smoothing()

    def estimate(self, y: Tensor, uv: Tensor, ry: Tensor, ruv: Tensor) -> Tensor:
        """Motion symbols before rounding (B, MOTION_CHANNELS, H/16, W/16)."""
        half = self.estimation.halve
        return self.motion.encode(self.estimation(half(y, uv), half(ry, ruv)))

    def predict(self, symbols: Tensor, ry: Tensor, ruv: Tensor) -> tuple[Tensor, Tensor]:
        """Motion decoder, warp, smoothing: what the residual is taken from, rounded by the caller."""
        flow = self.motion.decode(symbols, (ry.shape[2], ry.shape[3]))
        py, puv = self.warp(ry, ruv, flow)
        out: tuple[Tensor, Tensor] = self.smoothing(py, puv, ry, ruv, flow)
        return out

    @staticmethod
    def warp(ry: Tensor, ruv: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        return warp(ry, flow), warp(ruv, F.avg_pool2d(flow, 2) / 2)
