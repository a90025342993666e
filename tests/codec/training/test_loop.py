"""Tiny training runs on generated clips: they move, they resume bit for bit, they freeze what they should."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from grace_codec import profiles
from grace_codec.models.lite_net import LiteNet
from grace_codec.training.checkpoint import load_weights, publish, save_weights
from grace_codec.training.data import Clip
from grace_codec.training.loop import Trainer
from grace_codec.training.stages import STAGES, Stage


def tiny(name: str, start: str | None = None) -> Stage:
    return replace(STAGES[name], start=start, batch=2, size=64, steps=4)


def clip(seed: int) -> Clip:
    """Six frames of a moving pattern with its true motion."""
    rng = np.random.default_rng(seed)
    big = np.kron(rng.integers(30, 220, (30, 30)), np.ones((4, 4))).astype(np.uint8)
    y = np.stack([big[t : t + 80, 2 * t : 2 * t + 96] for t in range(6)])
    uv = np.stack([y[:, ::2, ::2], y[:, 1::2, ::2]], 1)
    motion = np.zeros((6, 2, 5, 6), np.int16)
    motion[1:, 0], motion[1:, 1] = 8, 4
    return Clip(f"pattern {seed}", y, uv, motion)


CLIPS = [clip(1), clip(2)]


def trainer(stage: Stage, folder: Path, start: Path | None = None) -> Trainer:
    torch.set_num_threads(1)
    return Trainer(stage, list(CLIPS), folder, Fabric(accelerator="cpu"), start, mixed=False)


def weights(net: LiteNet) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}


@pytest.mark.parametrize("name", ["pretrain", "joint", "grace-joint"])
def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(name: str, tmp_path: Path) -> None:
    stage = tiny(name)
    whole = trainer(stage, tmp_path / "whole")
    whole.run()
    trainer(stage, tmp_path / "parts").run(until=2)
    rest = trainer(stage, tmp_path / "parts")
    assert rest.step == 2
    rest.run()
    assert all(torch.equal(v, weights(rest.net)[k]) for k, v in weights(whole.net).items())


def test_every_network_of_grace_is_trained(tmp_path: Path) -> None:
    run = trainer(tiny("grace-joint"), tmp_path)
    for parameter in run.net.parameters():  # fresh branches are zero, and pass no gradient to what is before them
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    before = weights(run.net)
    run.run(until=2)
    changed = {k.split(".")[0] for k, v in weights(run.net).items() if not torch.equal(before[k], v)}
    assert changed == {"analysis", "synthesis", "estimation", "motion", "smoothing", "log_step", "shrink", "gain"}


def test_fresh_motion_estimation_learns_to_leave_zero(tmp_path: Path) -> None:
    run = trainer(tiny("grace-pretrain"), tmp_path)
    before = weights(run.net)
    run.run(until=1)
    after = weights(run.net)
    assert not torch.equal(before["estimation.steps.3.leave.weight"], after["estimation.steps.3.leave.weight"])


def test_the_decoder_stage_leaves_the_encoder_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    begin = LiteNet()
    save_weights(begin, tmp_path / "p.safetensors")
    run = trainer(tiny("decoder"), tmp_path / "d", tmp_path / "p.safetensors")
    run.run()
    after, before = weights(run.net), weights(begin)
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert "synthesis" in changed
    assert changed <= {"synthesis", "shrink", "gain"}


def test_the_levels_stage_moves_only_the_levels_tables(tmp_path: Path) -> None:
    save_weights(LiteNet(), tmp_path / "j.safetensors")
    run = trainer(tiny("levels"), tmp_path / "l", tmp_path / "j.safetensors")
    before = weights(run.net)
    run.run()
    changed = {k for k, v in weights(run.net).items() if not torch.equal(before[k], v)}
    assert changed
    assert changed <= {"log_step", "shrink", "gain"}


def test_metrics_and_small_checkpoints_are_written(tmp_path: Path) -> None:
    trainer(tiny("pretrain"), tmp_path).run()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4
    assert rows[-1]["bpp"] > 0
    for path in tmp_path.glob("*.safetensors"):
        assert path.stat().st_size < 16 << 20
    load_weights(LiteNet(), tmp_path / "weights.safetensors")


def test_every_stage_starts_from_a_stage_that_exists() -> None:
    assert all(s.start is None or s.start in STAGES for s in STAGES.values())
    assert all(s.profile in profiles.PROFILES for s in STAGES.values())


@pytest.mark.parametrize(("name", "profile"), [("pretrain", "grace-p"), ("grace-pretrain", "grace")])
def test_a_finished_run_becomes_a_model(name: str, profile: str, tmp_path: Path) -> None:
    run = trainer(tiny(name), tmp_path / "run")
    run.save()
    publish(run.folder.weights, profile, {"steps": 0}, tmp_path / "package")
    assert profiles.read_weights(profile, tmp_path / "package").card["steps"] == 0
    model = profiles.load_file(run.folder.weights, profile)
    planes = CLIPS[0].planes(0)
    assert not model.analyse(planes, planes).residual.any()
    assert sum(p.stat().st_size for p in (tmp_path / "package").iterdir()) < 18 << 20
