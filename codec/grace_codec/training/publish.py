"""From a run to the package: weights, their SHA-256 and the model card."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from grace_codec.profiles import WEIGHTS, weights_paths


def publish(weights: Path, profile: str, card: dict[str, Any], folder: Path = WEIGHTS) -> str:
    """Copy a checkpoint's weights into `folder` as `profile` with its card. Returns the SHA-256."""
    data, card_path = weights_paths(profile, folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, data)
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    card_path.write_text(json.dumps({"profile": profile, "sha256": digest, **card}, indent=2) + "\n")
    return digest
