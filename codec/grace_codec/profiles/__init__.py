"""The models by name: their weights, checked against their cards, and loading them into a backend."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grace_codec.backends import Networks, load_networks
from grace_codec.errors import BackendError, ModelError
from grace_codec.models import transform as tf
from grace_codec.models.api import FINE, FINER_LEVELS, Profile, VideoModel
from grace_codec.models.lite import LiteModel

WEIGHTS = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """A row of PROFILES. wire_id: its number in payloads, 1 to 15. trained: whether weights ship with the package."""

    name: str
    wire_id: int
    about: str
    trained: bool = True


PROFILES: dict[str, ProfileSpec] = {
    s.name: s
    for s in (
        ProfileSpec("grace-lite", 1, "trained jointly under simulated loss; the default"),
        ProfileSpec("grace-p", 2, "ablation: trained without loss"),
        ProfileSpec("grace-d", 3, "ablation: grace-p with only its decoder trained under loss"),
        ProfileSpec("grace", 4, "larger networks in PyTorch, not trained: TRAINING.md has the plan", trained=False),
    )
}


@dataclass(frozen=True, slots=True)
class Weights:
    """tensors: by name; sha256: of the file; card: the model card's JSON, empty for a checkpoint."""

    tensors: dict[str, npt.NDArray[np.float32]]
    sha256: str
    card: Mapping[str, object]


def weights_paths(name: str, folder: Path = WEIGHTS) -> tuple[Path, Path]:
    return folder / f"{name}.safetensors", folder / f"{name}.json"


def read_weights(name: str, folder: Path = WEIGHTS) -> Weights:
    """Weights and card of a profile, verified. Raises ModelError with what is wrong and what to do."""
    data, card_path = weights_paths(name, folder)
    try:
        content, card = data.read_bytes(), json.loads(card_path.read_text())
    except OSError as error:
        raise ModelError(
            f"{name}: no weights at {folder} ({error}); train them (codec/TRAINING.md) or reinstall"
        ) from error
    except ValueError as error:
        raise ModelError(f"{card_path}: not JSON ({error}); reinstall the package") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.get("sha256"):
        raise ModelError(
            f"{data}: SHA-256 is {digest}, its card says {card.get('sha256')}; the file is damaged, reinstall"
        )
    from safetensors.numpy import load as parse

    return Weights(parse(content), digest, card)


def load(name: str, backend: str | None = None, folder: Path = WEIGHTS) -> VideoModel:
    """A profile's model. backend: a name in BACKENDS; by default the networks in C, else OpenVINO.

    Raises ModelError for unknown profiles and missing or damaged weights, BackendError where none can run."""
    if name not in PROFILES:
        raise ModelError(f"unknown profile {name!r}; there are {', '.join(PROFILES)}")
    if not PROFILES[name].trained:
        raise ModelError(f"profile {name!r} has no trained weights yet; codec/TRAINING.md says how to train it")
    return _build(name, read_weights(name, folder), backend)


def load_file(path: Path, name: str, backend: str | None = None) -> VideoModel:
    """A model from a checkpoint that is not (yet) in the package."""
    return _build(name, read_checkpoint(path), backend)


def read_checkpoint(path: Path) -> Weights:
    """All files of a training checkpoint: NAME.safetensors, NAME-01.safetensors, ..."""
    from safetensors.numpy import load as parse

    contents = [p.read_bytes() for p in (path, *sorted(path.parent.glob(f"{path.stem}-*{path.suffix}")))]
    tensors = {name: tensor for content in contents for name, tensor in parse(content).items()}
    return Weights(tensors, hashlib.sha256(b"".join(contents)).hexdigest(), {})


def _build_grace(weights: Weights) -> VideoModel:
    try:
        import torch

        from grace_codec.models.grace import GraceModel, profile
        from grace_codec.models.grace_net import GraceNet
    except ImportError as error:
        raise BackendError(f"profile 'grace' needs `pip install grace-rtc[torch]` ({error})") from error
    net = GraceNet()
    try:
        net.load_state_dict({k: torch.from_numpy(np.array(v, np.float32)) for k, v in weights.tensors.items()})
    except RuntimeError as error:
        raise ModelError(f"weights do not fit grace: {error}") from error
    levels = FINE * (len(weights.tensors["log_step"]) - 1) + 1
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    identity = int(weights.sha256[:8], 16)
    return GraceModel(profile("grace", PROFILES["grace"].wire_id, identity, levels), net, device)


def _build(name: str, weights: Weights, backend: str | None) -> VideoModel:
    if name == "grace":
        return _build_grace(weights)
    profile = Profile(
        name=name,
        wire_id=PROFILES[name].wire_id,
        model_id=int(weights.sha256[:8], 16),
        levels=FINE * (len(weights.tensors["log_step"]) - 1) + 1 + FINER_LEVELS,
        luma_frequencies=tf.LUMA_FREQUENCIES,
        chroma_frequencies=tf.CHROMA_FREQUENCIES,
        finer_levels=FINER_LEVELS,
    )
    return LiteModel(profile, weights.tensors, _networks(backend, weights))


def _networks(backend: str | None, weights: Weights) -> Networks:
    if backend is not None:
        return load_networks(backend, weights.tensors)
    try:
        return load_networks("native", weights.tensors)
    except BackendError as error:
        warnings.warn(f"falling back to OpenVINO, which is slower: {error}", stacklevel=4)
        return load_networks("openvino", weights.tensors)
