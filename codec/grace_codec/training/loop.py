"""The training loop: chains in, optimizer steps, metrics as JSONL, checkpoints that continue bit for bit on the CPU."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from grace_codec.models.lite_net import LEVELS, LiteNet
from grace_codec.training.chains import DRIFT_FRAMES, Batch, ChainPool, References, intra
from grace_codec.training.checkpoint import load_run, load_weights, save_run, save_weights
from grace_codec.training.coding import CODINGS, Coding, Losses
from grace_codec.training.data import Clip, ClipStore
from grace_codec.training.stages import Stage

SLOW = ("luma", "chroma", "log_step", "shrink")  # the classical skeleton moves at a fifth of the learning rate
FIRST_REFERENCE_STEP = 0.8  # of the level's luma step: a key frame is a little better than what follows
CHECKPOINT_EVERY = 200
METRICS_EVERY = 50


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a stage's run lives."""

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def state(self) -> Path:
        return self.path / "run.safetensors"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"


def parameter_groups(net: LiteNet, stage: Stage) -> list[dict[str, Any]]:
    """Freeze what the stage leaves alone; group the rest by speed."""
    slow: list[nn.Parameter] = []
    fast: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith(stage.trains))
        if parameter.requires_grad:
            (slow if name.split(".")[-2:][0] in SLOW or name in SLOW else fast).append(parameter)
    return [{"params": p, "speed": s} for p, s in ((slow, 0.2), (fast, 1.0)) if p]


def learning_rate(stage: Stage, step: int) -> float:
    """Warmed up over 100 steps, then half a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / 100)
    return stage.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / stage.steps)))


class Trainer:
    """One stage on one process; several processes each run their own chains and share gradients."""

    def __init__(
        self,
        stage: Stage,
        clips: list[Clip],
        folder: Path,
        fabric: Fabric,
        start: Path | None,
        mixed: bool = True,
        fused: bool = False,
    ) -> None:
        """start: weights of the stage before; clips: the list is emptied; a run in `folder` is continued.

        fused: compile the objective (a minute at the start; worth it on a GPU only)."""
        self.stage, self.folder, self.fabric = stage, RunFolder(folder), fabric
        torch.manual_seed(stage.seed)
        self._coding: Coding = CODINGS[stage.network](mixed)
        self.net = self._coding.net
        if start is not None:
            load_weights(self.net, start)
        groups = parameter_groups(self.net, stage)
        optimizer = torch.optim.AdamW(groups, stage.rate, betas=(0.9, 0.98), weight_decay=1e-4)
        store = ClipStore(clips, fabric.device)
        seed = stage.seed * 1000 + fabric.global_rank
        self._pool = ChainPool(store, stage.size, stage.batch, LEVELS, seed)
        self._references = References(stage.batch, stage.size, fabric.device)
        self._seed, self.step = seed, 0
        if self.folder.state.exists():
            self._resume(optimizer)
        self._optimizer: Any
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        objective = self._coding.objective
        if fused:
            objective.compile()
        self._objective, self._optimizer = fabric.setup(objective, optimizer)

    def _resume(self, optimizer: torch.optim.Optimizer) -> None:
        load_weights(self.net, self.folder.weights)
        state = load_run(self.folder.state, optimizer)
        self.step = int(state.pop("step"))
        self._pool.restore(state.pop("chains"))
        self._references.restore(state)

    def save(self) -> None:
        if self.fabric.global_rank == 0:
            state = {"step": torch.tensor(self.step), "chains": self._pool.state(), **self._references.state()}
            save_weights(self.net, self.folder.weights)
            save_run(self.folder.state, self._optimizer, state)

    def run(self, until: int | None = None, on_step: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Train up to step `until` (default: the stage's end)."""
        taken: list[_StepStats] = []
        end = min(until or self.stage.steps, self.stage.steps)
        began = time.monotonic()
        while self.step < end:
            taken.append(self._one_step())
            self.step += 1
            if self.step % METRICS_EVERY == 0 or self.step == end:
                means = _means(taken)
                means["steps_per_s"] = len(taken) / (time.monotonic() - began)
                self._log(means)
                if on_step:
                    on_step(self.step, means)
                taken, began = [], time.monotonic()
            if self.step % CHECKPOINT_EVERY == 0 or self.step == end:
                self.save()

    def _log(self, means: dict[str, float]) -> None:
        if self.fabric.global_rank == 0:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            with self.folder.metrics.open("a") as out:
                out.write(json.dumps({"stage": self.stage.name, "step": self.step, **means}) + "\n")

    def _one_step(self) -> _StepStats:
        """Code one frame of every chain and move the weights. Nothing here waits for a GPU: its results are read when
        metrics are due."""
        numbers = np.random.default_rng((self._seed, self.step))
        batch = self._pool.next(self.step)
        self._begin_fresh(batch)
        rates = self.stage.loss.draw(self.stage.batch, numbers)
        losses = Losses(rates, (self._seed, self.step), self.fabric.device)
        inputs, impaired = self._coding.inputs(batch, self._references, losses)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.stage, self.step) * group["speed"]
        loss, coded = self._objective(batch.frame.y.float(), batch.frame.uv.float(), inputs, batch.level)
        self._optimizer.zero_grad()
        self.fabric.backward(loss)
        for parameter in self.net.parameters():
            if parameter.grad is not None:  # a batch without a finite cost teaches nothing
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.fabric.clip_gradients(self._objective, self._optimizer, max_norm=1.0, error_if_nonfinite=False)
        self._optimizer.step()
        waits = torch.from_numpy(numbers.choice(DRIFT_FRAMES, len(rates)))
        lost = torch.from_numpy(rates > 0)
        clean = self._coding.clean(inputs, coded, batch.level, impaired)
        self._references.advance(clean, coded.shown, lost, waits)
        return _StepStats(coded.cost, coded.bpp, coded.ssim_db, ~torch.tensor(impaired), lost)

    @torch.no_grad()
    def _begin_fresh(self, batch: Batch) -> None:
        if batch.before is None:
            return
        steps = self.net.log_step.detach()[:, 0].exp()
        unit = steps[batch.level[batch.fresh].round().long()] * FIRST_REFERENCE_STEP
        self._references.begin(batch.fresh, intra(batch.before.y, unit), intra(batch.before.uv, unit))


class _StepStats(NamedTuple):
    """The cost and quality of one step, per chain: (B,) each. The last two stay on the CPU."""

    cost: Tensor
    bpp: Tensor
    ssim_db: Tensor
    whole: Tensor  # both ends had the same reference and nothing was lost
    lost: Tensor


def _means(taken: list[_StepStats]) -> dict[str, float]:
    """Means over the chains of some steps; statistics that no chain has are left out."""
    cost, bpp, ssim_db, whole, lost = (torch.cat(column).cpu() for column in zip(*taken, strict=True))
    means = {"cost": cost, "bpp": bpp, "ssim_db": ssim_db[whole], "ssim_db_lossy": ssim_db[lost]}
    means["not_finite"] = (~torch.isfinite(cost)).float()
    return {name: float(values.nanmean()) for name, values in means.items() if len(values)}
