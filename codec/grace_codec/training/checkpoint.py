"""Checkpoints without pickle: safetensors for the weights and for what a run needs to continue; and publishing, from a
run to the package: weights, their SHA-256 and the model card.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from grace_codec.errors import ModelError
from grace_codec.profiles import WEIGHTS, read_checkpoint, weights_paths

MAX_BYTES = 15 << 20  # per file


def save_weights(net: nn.Module, path: Path) -> None:
    _save({k: v.detach().float().contiguous() for k, v in net.state_dict().items()}, path)


def load_weights(net: nn.Module, path: Path) -> None:
    """Raises ModelError where the file does not fit the network."""
    try:
        net.load_state_dict(_read(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: cannot be loaded into {type(net).__name__}: {error}") from error


def save_run(path: Path, optimizer: torch.optim.Optimizer, extra: dict[str, Tensor]) -> None:
    """Adam's moments by parameter number, and whatever tensors the loop wants back."""
    state = {f"adam.{i}.{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
    _save({**state, **{f"run.{k}": v for k, v in extra.items()}}, path)


def load_run(path: Path, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = _read(path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return {k.removeprefix("run."): v for k, v in tensors.items() if k.startswith("run.")}


def _shards(path: Path) -> list[Path]:
    """The files a checkpoint was split into: NAME.safetensors, NAME-1.safetensors, ..."""
    return [path, *sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))]


def _read(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for shard in _shards(path):
        tensors |= load_file(shard)
    return tensors


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    """Replace a checkpoint by these tensors, in files of at most MAX_BYTES."""
    groups: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        count = tensor.numel() * tensor.element_size()
        if count > MAX_BYTES:
            raise ModelError(f"{path}: {name} alone has {count} bytes; checkpoint files stay under {MAX_BYTES}")
        if size + count > MAX_BYTES:
            groups.append({})
            size = 0
        groups[-1][name] = tensor.cpu().contiguous()
        size += count
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path, *(path.with_name(f"{path.stem}-{i:02d}{path.suffix}") for i in range(1, len(groups)))]
    for file, group in zip(files, groups, strict=True):
        save_file(group, file.with_suffix(".partial"))
    for stale in set(_shards(path)) - set(files):
        stale.unlink(missing_ok=True)
    for file in files:
        os.replace(file.with_suffix(".partial"), file)


LARGE_BYTES = 8 << 20


def publish(weights: Path, profile: str, card: Mapping[str, object], folder: Path = WEIGHTS) -> str:
    """Copy a checkpoint's weights into `folder` as `profile` with its card. Returns the SHA-256.

    Large networks are stored as 16-bit floats, so that all profiles together stay within 20 MiB."""
    data, card_path = weights_paths(profile, folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = read_checkpoint(weights).tensors
    if sum(t.nbytes for t in tensors.values()) > LARGE_BYTES:
        tensors = {k: t.astype(np.float16) for k, t in tensors.items()}
    data.write_bytes(save(tensors))
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    card_path.write_text(json.dumps({"profile": profile, "sha256": digest, **card}, indent=2) + "\n")
    return digest
