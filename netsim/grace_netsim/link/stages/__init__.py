"""Stages after the bottleneck: each has one effect on packets, and a seeded generator of its own.

To add one: a module with a frozen config class that has `name` and `build(rng)`, and a row in STAGES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from grace_netsim.link.stages.contract import Outcome, Stage, StageConfig
from grace_netsim.link.stages.corruption import Corruption
from grace_netsim.link.stages.delay import FixedDelay, Jitter
from grace_netsim.link.stages.duplication import Duplication
from grace_netsim.link.stages.loss import GilbertElliott, IidLoss, LossPattern, LossRates
from grace_netsim.link.stages.outage import Outage
from grace_netsim.link.stages.reordering import Reordering

STAGES: Mapping[str, Callable[..., StageConfig]] = MappingProxyType(
    {
        "delay": FixedDelay,
        "jitter": Jitter,
        "loss": IidLoss,
        "gilbert-elliott": GilbertElliott,
        "loss-pattern": LossPattern,
        "loss-rates": LossRates,
        "outage": Outage,
        "duplication": Duplication,
        "reordering": Reordering,
        "corruption": Corruption,
    }
)

__all__ = [
    "STAGES",
    "Corruption",
    "Duplication",
    "FixedDelay",
    "GilbertElliott",
    "IidLoss",
    "Jitter",
    "LossPattern",
    "LossRates",
    "Outage",
    "Outcome",
    "Reordering",
    "Stage",
    "StageConfig",
]
