"""Seeded grace-lite weights whose learned branches do something at once: tests without files. Needs torch."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from grace_codec.backends import load_networks
from grace_codec.models import transform as tf
from grace_codec.models.api import FINE, Profile
from grace_codec.models.lite import LiteModel

Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


@cache
def untrained_weights(branch: float = 0.02) -> Weights:
    """branch: spread of the weights that a fresh network starts at zero; 0 leaves the classical transform alone."""
    import torch

    from grace_codec.models.lite_net import LiteNet

    torch.manual_seed(5)
    net = LiteNet()
    for conv in (net.analysis.leave, net.synthesis.leave, net.synthesis.lost):
        torch.nn.init.normal_(conv.weight, std=branch)
    return {k: v.detach().numpy().copy() for k, v in net.state_dict().items()}


def untrained(backend: str = "openvino", branch: float = 0.02) -> LiteModel:
    """A model with wire id 0, which no profile has."""
    weights = untrained_weights(branch)
    levels = FINE * (len(weights["log_step"]) - 1) + 1
    profile = Profile("untrained", 0, 0, levels, tf.LUMA_FREQUENCIES, tf.CHROMA_FREQUENCIES)
    return LiteModel(profile, weights, load_networks(backend, weights))
