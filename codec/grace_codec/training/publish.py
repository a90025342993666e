"""From a run to the package: weights, their SHA-256 and the model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from grace_codec.profiles import WEIGHTS, read_checkpoint, weights_paths

LARGE_BYTES = 8 << 20


def publish(weights: Path, profile: str, card: dict[str, Any], folder: Path = WEIGHTS) -> str:
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
