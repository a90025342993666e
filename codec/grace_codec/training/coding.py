"""How a batch goes through each kind of network: grace-lite with classical motion, grace with motion of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from grace_codec.models import transform as tf
from grace_codec.models.grace_net import GraceNet
from grace_codec.models.lite_net import LiteNet
from grace_codec.training.chains import Batch, References
from grace_codec.training.motion import FrameBatch, compensate, fill_gaps
from grace_codec.training.objective import (
    Coded,
    GraceObjective,
    Inputs,
    Objective,
    Predictions,
    PredictionSources,
    pixels,
)


def residual_mask(shape: torch.Size, rates: Tensor, generator: torch.Generator) -> Tensor:
    """(B, C, h, w) of 0 and 1: each element is lost on its own, as the packets' element mapping does it.

    rates: (B,) on the generator's device."""
    return (torch.rand(shape, generator=generator, device=generator.device) >= rates[:, None, None, None]).float()


class Losses:
    """The simulated losses of one batch: each chain's loss rate, and a generator that draws the lost elements."""

    def __init__(self, rates: npt.NDArray[np.float64], seed: tuple[int, int], device: torch.device) -> None:
        self.rates = torch.from_numpy(rates).float()  # stays where it can be looked at without waiting for a GPU
        self._on_device = self.rates.to(device)
        self._random = torch.Generator(device).manual_seed(seed[0] * 1_000_003 + seed[1])

    def keep(self, channels: int, rows: int, columns: int) -> Tensor:
        """(B, channels, rows, columns), 1 where an element arrives."""
        return residual_mask(torch.Size((len(self.rates), channels, rows, columns)), self._on_device, self._random)


class Coding(Protocol):
    """net: what is trained; objective: its forward pass, called as objective(y, uv, inputs, level)."""

    @property
    def net(self) -> LiteNet: ...

    @property
    def objective(self) -> nn.Module: ...

    def inputs(self, batch: Batch, references: References, losses: Losses) -> tuple[Inputs, list[bool]]:
        """The objective's other inputs, and for each chain whether its decoder differs from the encoder."""
        ...

    def clean(self, inputs: Inputs, coded: Coded, level: Tensor, impaired: list[bool]) -> FrameBatch:
        """The frames that the encoder believes the decoders show: as if nothing had ever been lost."""
        ...


def _impaired(references: References, losses: Losses) -> list[bool]:
    struck: list[bool] = ((losses.rates > 0) | (references.left > 0)).tolist()
    return struck


class LiteCoding:
    """Motion comes with the clips; predictions are made here, outside the network."""

    def __init__(self, mixed: bool) -> None:
        self.net = LiteNet()
        self.objective = Objective(self.net, mixed)

    def inputs(self, batch: Batch, references: References, losses: Losses) -> tuple[Predictions, list[bool]]:
        motion = batch.frame.motion
        encoder = compensate(*references.encoder, motion)
        impaired = _impaired(references, losses)
        if not any(impaired):
            return Predictions(encoder, encoder, None, None), impaired
        at = torch.tensor([i for i, bad in enumerate(impaired) if bad]).to(motion.device)
        h, w = motion.shape[2:]
        kept = losses.keep(1, h, w)
        rebuilt = fill_gaps(motion[at].float(), kept[at])
        other = compensate(references.decoder[0][at], references.decoder[1][at], rebuilt)
        decoder = encoder[0].index_copy(0, at, other[0]), encoder[1].index_copy(0, at, other[1])
        return Predictions(encoder, decoder, losses.keep(tf.CHANNELS, h, w), 1 - kept), impaired

    @torch.no_grad()
    def clean(self, inputs: Inputs, coded: Coded, level: Tensor, impaired: list[bool]) -> FrameBatch:
        y, uv = coded.shown
        if any(impaired):
            at = torch.tensor([i for i, bad in enumerate(impaired) if bad]).to(y.device)
            with self.objective.autocast():
                py, puv = self.net.decode(coded.symbols[at], inputs.encoder[0][at], inputs.encoder[1][at], level[at])
            y, uv = y.index_copy(0, at, pixels(py)), uv.index_copy(0, at, pixels(puv))
        return y, uv


class GraceCoding:
    """Motion is estimated, coded and lost inside the objective."""

    def __init__(self, mixed: bool) -> None:
        self.net = GraceNet()
        self.objective = GraceObjective(self.net, mixed)

    def inputs(self, batch: Batch, references: References, losses: Losses) -> tuple[PredictionSources, list[bool]]:
        h, w = batch.frame.motion.shape[2:]
        encoder, decoder = ((ends[0].float(), ends[1].float()) for ends in (references.encoder, references.decoder))
        ends = PredictionSources(encoder, decoder, losses.keep(1, h, w), losses.keep(tf.CHANNELS, h, w))
        return ends, _impaired(references, losses)

    @torch.no_grad()
    def clean(self, inputs: Inputs, coded: Coded, level: Tensor, impaired: list[bool]) -> FrameBatch:
        assert coded.clean is not None
        return coded.clean


CODINGS: dict[str, Callable[[bool], Coding]] = {"lite": LiteCoding, "grace": GraceCoding}
