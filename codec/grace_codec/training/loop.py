"""The training loop: chains in, optimizer steps, metrics as JSONL, checkpoints that continue bit for bit on the CPU."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from grace_codec.models.lite_net import LEVELS, LiteNet
from grace_codec.training.chains import Batch, ChainPool
from grace_codec.training.checkpoint import load_run, load_weights, save_run, save_weights
from grace_codec.training.clips import Clip
from grace_codec.training.coding import CODINGS, Coding, Losses
from grace_codec.training.references import DRIFT_FRAMES, References, intra
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
        self, stage: Stage, clips: list[Clip], folder: Path, fabric: Fabric, start: Path | None, mixed: bool = True
    ) -> None:
        """start: weights of the stage before; clips are shared by all processes; a run in `folder` is continued."""
        self.stage, self.folder, self.fabric = stage, RunFolder(folder), fabric
        torch.manual_seed(stage.seed)
        self._coding: Coding = CODINGS[stage.network](mixed)
        self.net = self._coding.net
        if start is not None:
            load_weights(self.net, start)
        groups = parameter_groups(self.net, stage)
        optimizer = torch.optim.AdamW(groups, stage.rate, betas=(0.9, 0.98), weight_decay=1e-4)
        seed = stage.seed * 1000 + fabric.global_rank
        self._pool = ChainPool(clips, stage.size, stage.batch, LEVELS, seed)
        self._references = References(stage.batch, stage.size, fabric.device)
        self._seed, self.step, self.skipped = seed, 0, 0
        if self.folder.state.exists():
            self._resume(optimizer)
        self._optimizer: Any
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._objective, self._optimizer = fabric.setup(self._coding.objective, optimizer)

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
        sums: dict[str, list[float]] = {}
        end = min(until or self.stage.steps, self.stage.steps)
        while self.step < end:
            for name, value in self._one_step().items():
                sums.setdefault(name, []).append(value)
            self.step += 1
            if self.step % METRICS_EVERY == 0 or self.step == end:
                means = {k: float(np.nanmean(v)) for k, v in sums.items() if not np.isnan(v).all()}
                self._log(means)
                sums = {}
                if on_step:
                    on_step(self.step, means)
            if self.step % CHECKPOINT_EVERY == 0 or self.step == end:
                self.save()

    def _log(self, means: dict[str, float]) -> None:
        if self.fabric.global_rank == 0:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            with self.folder.metrics.open("a") as out:
                out.write(json.dumps({"stage": self.stage.name, "step": self.step, **means}) + "\n")

    def _one_step(self) -> dict[str, float]:
        numbers = np.random.default_rng((self._seed, self.step))
        batch = self._pool.next(self.step)
        self._begin_fresh(batch)
        rates = self.stage.loss.draw(self.stage.batch, numbers)
        losses = Losses(rates, (self._seed, self.step), self.fabric.device)
        views, impaired = self._coding.views(batch, self._references, losses)
        y, uv, level = self._put(batch.y).float(), self._put(batch.uv).float(), self._put(batch.level)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.stage, self.step) * group["speed"]
        loss, out = self._objective(y, uv, views, level)
        self._optimizer.zero_grad()
        if torch.isfinite(loss):
            self.fabric.backward(loss)
            self.fabric.clip_gradients(self._objective, self._optimizer, max_norm=1.0)
            self._optimizer.step()
        else:
            self.skipped += 1
        waits = torch.from_numpy(numbers.choice(DRIFT_FRAMES, len(rates)))
        lost = torch.from_numpy(rates > 0)
        clean = self._coding.clean(views, out, level, impaired)
        self._references.advance(clean, (out["y"], out["uv"]), lost, waits)
        return _figures(out, impaired, lost)

    def _put(self, x: Tensor) -> Tensor:
        moved: Tensor = self.fabric.to_device(x)
        return moved

    @torch.no_grad()
    def _begin_fresh(self, batch: Batch) -> None:
        fresh = [i for i, begins in enumerate(batch.fresh) if begins]
        if fresh:
            steps = self.net.log_step.detach()[:, 0].exp()
            unit = steps[self._put(batch.level)[fresh].round().long()] * FIRST_REFERENCE_STEP
            y, uv = self._put(batch.before_y)[fresh], self._put(batch.before_uv)[fresh]
            self._references.begin(fresh, intra(y, unit), intra(uv, unit))


def _figures(out: dict[str, Tensor], impaired: list[bool], lost: Tensor) -> dict[str, float]:
    good = ~torch.tensor(impaired)

    def mean(x: Tensor, where: Tensor) -> float:
        return float(x.cpu()[where].mean()) if where.any() else math.nan

    return {
        "cost": float(out["cost"].mean()),
        "bpp": float(out["bpp"].mean()),
        "ssim_db": mean(out["ssim_db"], good),
        "ssim_db_lossy": mean(out["ssim_db"], lost),
    }
