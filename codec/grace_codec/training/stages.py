"""The training stages as a table: where each starts from, what it trains, under which loss, for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NO_LOSS_SHARE = 0.8
LOSS_RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


@dataclass(frozen=True, slots=True)
class LossDistribution:
    """With probability `none` nothing is lost, else one of `rates`, each alike (paper 4.4)."""

    none: float = NO_LOSS_SHARE
    rates: tuple[float, ...] = LOSS_RATES

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """(count,) loss rates."""
        lossy = generator.random(count) >= self.none
        return np.where(lossy, generator.choice(self.rates, count), 0.0)


NO_LOSS = LossDistribution(none=1.0)
PAPER_LOSS = LossDistribution()


@dataclass(frozen=True, slots=True)
class Stage:
    """trains: prefixes of the parameters that move; all others stay as they are. steps x batch chains of size px."""

    name: str
    start: str | None  # the stage whose weights it begins with
    profile: str  # the name of its result
    loss: LossDistribution
    trains: tuple[str, ...]
    steps: int
    rate: float  # peak learning rate, warmed up and annealed by a cosine
    seed: int
    batch: int = 12
    size: int = 160
    network: str = "lite"


EVERYTHING = ("",)
DECODER = ("synthesis.", "shrink", "gain")
LEVEL_TABLES = ("log_step", "shrink", "gain")

STAGES: dict[str, Stage] = {
    s.name: s
    for s in (
        Stage("pretrain", None, "grace-p", NO_LOSS, EVERYTHING, 4600, 8e-4, 1),
        Stage("joint", "pretrain", "grace-lite", PAPER_LOSS, EVERYTHING, 4000, 5e-4, 2),
        Stage("decoder", "pretrain", "grace-d", PAPER_LOSS, DECODER, 800, 4e-4, 3),
        Stage("levels", "joint", "grace-lite", PAPER_LOSS, LEVEL_TABLES, 200, 2e-4, 4),
        Stage("grace-pretrain", None, "grace", NO_LOSS, EVERYTHING, 30_000, 4e-4, 5, 64, 256, "grace"),
        Stage("grace-joint", "grace-pretrain", "grace", PAPER_LOSS, EVERYTHING, 15_000, 2e-4, 6, 64, 256, "grace"),
    )
}
