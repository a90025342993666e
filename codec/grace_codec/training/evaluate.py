"""Closed-loop evaluation on held-out clips, where errors accumulate as in a call. Ideal code lengths, no packets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from grace_codec.entropy.latents import Latents, ReceivedLatents, Symbols
from grace_codec.evaluation.quality import ssim_db
from grace_codec.models import transform as tf
from grace_codec.models.api import VideoModel
from grace_codec.motion.field import Motion
from grace_codec.training.chains import intra
from grace_codec.training.data import Clip
from grace_codec.training.objective import bits
from grace_codec.types import Planes

BURST_EVERY, BURST_FRAMES = 10, 3
RATE_PER_DB = 0.32  # ln of the rate that one dB of SSIM is worth between 10 and 20 dB (x264 on call video)


@dataclass(frozen=True, slots=True)
class ClosedLoopPoint:
    """Means over a clip's P-frames. affected_db: over each burst and the three frames after it."""

    bpp: float
    ssim_db: float
    affected_db: float

    @property
    def score(self) -> float:
        """ln of the rate, brought to equal quality: lower is better; differences are relative rates."""
        return math.log(max(self.bpp, 1e-6)) - RATE_PER_DB * self.ssim_db


def residual_bits(symbols: Symbols) -> float:
    """Luma channels are counted at 1/8 resolution, as the entropy coder sees them."""
    cut = 4 * tf.LUMA_FREQUENCIES
    z = torch.from_numpy(symbols.astype(np.float32))[None]
    luma = torch.nn.functional.pixel_shuffle(z[:, :cut], 2)
    return float(bits(luma) + bits(z[:, cut:]))


def motion_bits(motion: Motion) -> float:
    """Difference to the left neighbour under a Laplace of its own mean: a stand-in for the packets' vector coder."""
    difference = np.diff(motion.astype(np.float32), axis=2, prepend=0)
    return float(bits(torch.from_numpy(difference)[None]))


def first_reference(planes: Planes, step: float) -> Planes:
    """A key frame of the level's quality: an 8x8 DCT, quantized."""
    unit = torch.tensor([step])
    y, u, v = (intra(torch.from_numpy(np.ascontiguousarray(p))[None, None], unit)[0, 0].numpy() for p in planes)
    return y, u, v


def lose(latents: Latents, rate: float, rng: np.random.Generator) -> ReceivedLatents:
    """Each element lost on its own with probability `rate`; both components of a vector together."""
    vector = np.broadcast_to(rng.random(latents.motion.shape[1:]) >= rate, latents.motion.shape)
    residual = rng.random(latents.residual.shape) >= rate
    return ReceivedLatents(
        np.where(vector, latents.motion, 0).astype(np.int16),
        np.where(residual, latents.residual, 0).astype(np.int16),
        vector,
        residual,
        latents.level,
    )


def closed_loop(model: VideoModel, clip: Clip, level: int, loss: float = 0.0, frames: int = 30) -> ClosedLoopPoint:
    """Code a clip; in 3 of 10 frames `loss` of the elements is lost, then the encoder resyncs to the decoder."""
    rng = np.random.default_rng(7)
    reference = first_reference(clip.planes(0), float(model.steps(level)[0]) * 0.8)
    decoder = reference
    rates, qualities, affected = [], [], []
    for t in range(1, min(frames, len(clip))):
        frame = clip.planes(t)
        latents = model.quantize(model.analyse(frame, reference), level)
        rates.append(motion_bits(latents.motion) + residual_bits(latents.residual))
        phase = t % BURST_EVERY
        struck = loss if BURST_FRAMES <= phase < 2 * BURST_FRAMES else 0.0
        reference = model.reconstruct(reference, lose(latents, 0.0, rng)).planes
        if struck or decoder is not reference:
            decoder = model.reconstruct(decoder, lose(latents, struck, rng)).planes
        if phase >= 2 * BURST_FRAMES or not loss:  # resync: both ends know what was lost
            reference = decoder = decoder if loss else reference
        qualities.append(ssim_db(frame[0], decoder[0]))
        if BURST_FRAMES <= phase < 3 * BURST_FRAMES:
            affected.append(qualities[-1])
    pixels = clip.y.shape[1] * clip.y.shape[2]
    return ClosedLoopPoint(
        float(np.mean(rates)) / pixels, float(np.mean(qualities)), float(np.mean(affected)) if affected else math.nan
    )


def summary(points: Iterable[ClosedLoopPoint]) -> dict[str, float]:
    """Means, for the metrics file."""
    every = list(points)
    return {
        name: float(np.nanmean([getattr(p, name) for p in every]))
        for name in ("bpp", "ssim_db", "affected_db", "score")
    }
