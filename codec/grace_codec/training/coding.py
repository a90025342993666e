"""How a batch goes through each kind of network: grace-lite with classical motion, grace with motion of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from grace_codec.models import transform as tf
from grace_codec.models.grace_net import GraceNet
from grace_codec.models.lite_net import LiteNet
from grace_codec.training.chains import Batch
from grace_codec.training.grace_objective import Ends, GraceObjective
from grace_codec.training.loss_simulation import lose_motion, residual_mask
from grace_codec.training.objective import Objective, Pictures, Views, pixels
from grace_codec.training.references import References, compensate


class Losses:
    """What happens to one batch: each chain's loss rate, and the generators that decide which elements go."""

    def __init__(self, rates: np.ndarray[Any, Any], seed: tuple[int, int], device: torch.device) -> None:
        self.rates, self.device = rates, device
        self.numbers = np.random.default_rng((*seed, 1))
        self._torch = torch.Generator().manual_seed(seed[0] * 1_000_003 + seed[1])

    def keep(self, channels: int, rows: int, columns: int) -> Tensor:
        """(B, channels, rows, columns), 1 where an element arrives."""
        shape = torch.Size((len(self.rates), channels, rows, columns))
        return residual_mask(shape, torch.from_numpy(self.rates), self._torch).to(self.device)


class Coding(Protocol):
    """net: what is trained; objective: its forward pass, called as objective(y, uv, views, level)."""

    @property
    def net(self) -> LiteNet: ...

    @property
    def objective(self) -> nn.Module: ...

    def views(self, batch: Batch, references: References, losses: Losses) -> tuple[Views | Ends, list[bool]]:
        """What the objective needs besides the frame, and which chains' decoders differ from the encoder."""
        ...

    def clean(self, views: Views | Ends, out: dict[str, Tensor], level: Tensor, impaired: list[bool]) -> Pictures:
        """What the encoder believes the decoder shows: the frames as if nothing had ever been lost."""
        ...


def _impaired(references: References, losses: Losses) -> list[bool]:
    return [bool(r > 0 or left > 0) for r, left in zip(losses.rates, references.left, strict=True)]


class LiteCoding:
    """Motion comes with the clips; predictions are made here, outside the network."""

    def __init__(self, mixed: bool) -> None:
        self.net = LiteNet()
        self.objective = Objective(self.net, mixed)

    def views(self, batch: Batch, references: References, losses: Losses) -> tuple[Views, list[bool]]:
        encoder = compensate(*references.encoder, batch.motion)
        impaired = _impaired(references, losses)
        encoder = encoder[0].to(losses.device), encoder[1].to(losses.device)
        if not any(impaired):
            return Views(encoder, encoder, None, None), impaired
        at = [i for i, bad in enumerate(impaired) if bad]
        lossy = [lose_motion(batch.motion[i], float(losses.rates[i]), losses.numbers) for i in at]
        field = np.stack([motion for motion, _ in lossy])
        other = compensate(references.decoder[0][at], references.decoder[1][at], field)
        decoder = encoder[0].clone(), encoder[1].clone()
        decoder[0][at], decoder[1][at] = other[0].to(losses.device), other[1].to(losses.device)
        h, w = batch.motion.shape[2:]
        lost_motion = torch.zeros(len(impaired), 1, h, w)
        lost_motion[at, 0] = torch.from_numpy(np.stack([lost for _, lost in lossy])).float()
        return Views(encoder, decoder, losses.keep(tf.CHANNELS, h, w), lost_motion.to(losses.device)), impaired

    @torch.no_grad()
    def clean(self, views: Views | Ends, out: dict[str, Tensor], level: Tensor, impaired: list[bool]) -> Pictures:
        at = [i for i, bad in enumerate(impaired) if bad]
        y, uv = out["y"], out["uv"]
        if at:
            with self.objective.autocast():
                py, puv = self.net.decode(out["symbols"][at], views.encoder[0][at], views.encoder[1][at], level[at])
            y, uv = y.clone(), uv.clone()
            y[at], uv[at] = pixels(py), pixels(puv)
        return y, uv


class GraceCoding:
    """Motion is estimated, coded and lost inside the objective."""

    def __init__(self, mixed: bool) -> None:
        self.net = GraceNet()
        self.objective = GraceObjective(self.net, mixed)

    def views(self, batch: Batch, references: References, losses: Losses) -> tuple[Ends, list[bool]]:
        h, w = batch.motion.shape[2:]
        encoder, decoder = (
            (ends[0].to(losses.device).float(), ends[1].to(losses.device).float())
            for ends in (references.encoder, references.decoder)
        )
        ends = Ends(encoder, decoder, losses.keep(1, h, w), losses.keep(tf.CHANNELS, h, w))
        return ends, _impaired(references, losses)

    @torch.no_grad()
    def clean(self, views: Views | Ends, out: dict[str, Tensor], level: Tensor, impaired: list[bool]) -> Pictures:
        return out["clean_y"], out["clean_uv"]


CODINGS: dict[str, Callable[[bool], Coding]] = {"lite": LiteCoding, "grace": GraceCoding}
