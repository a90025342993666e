"""Checkpoints without pickle: one safetensors file for weights, one for everything a run needs to continue."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from grace_codec.errors import ModelError

MAX_BYTES = 16 << 20


def save_weights(net: nn.Module, path: Path) -> None:
    _save({k: v.detach().float().contiguous() for k, v in net.state_dict().items()}, path)


def load_weights(net: nn.Module, path: Path) -> None:
    """Raises ModelError where the file does not fit the network."""
    try:
        net.load_state_dict(load_file(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: cannot be loaded into {type(net).__name__}: {error}") from error


def save_run(path: Path, optimizer: torch.optim.Optimizer, extra: dict[str, Tensor]) -> None:
    """Adam's moments by parameter number, and whatever tensors the loop wants back."""
    state = {f"adam.{i}.{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
    _save({**state, **{f"run.{k}": v for k, v in extra.items()}}, path)


def load_run(path: Path, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = load_file(path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return {k.removeprefix("run."): v for k, v in tensors.items() if k.startswith("run.")}


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    if size > MAX_BYTES:
        raise ModelError(f"{path}: {size} bytes; checkpoints stay under {MAX_BYTES}, split the network or the batch")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, partial)
    os.replace(partial, path)
