"""The closed-loop scenarios of tests/data/bwe_scenarios.json, and the call that runs one flow of them."""

from __future__ import annotations

from typing import Any

from tests.vectors import Case, cases

from grace_transport.congestion.controller import CongestionController

from .bwe_sim import Clock, Conditions, Flow, Loss, Path

S = 1_000_000

Scenario = Case


def scenarios(kind: str) -> list[Any]:
    """The scenarios of one kind as parameters, with their names as ids."""
    return cases("bwe_scenarios", "scenarios", where=lambda scenario: scenario["kind"] == kind)


def loss_model(loss: Scenario | None) -> Loss:
    if loss is None:
        return Loss()
    if loss["model"] == "iid":
        return Loss(in_good=loss["probability"], in_bad=loss["probability"])
    return Loss(loss["p_good_to_bad"], loss["p_bad_to_good"], loss["loss_in_bad"], loss["loss_in_good"])


def microseconds(seconds: float) -> int:
    return round(seconds * S)


class Call:
    """One flow over one path, with the clock that drives it."""

    def __init__(
        self,
        controller: CongestionController,
        forward: Conditions,
        backward: Conditions,
        *,
        media_bps: int | None = None,
        seed: int = 1,
    ) -> None:
        self.clock = Clock()
        self.forward = Path(self.clock, forward, seed)
        self.backward = Path(self.clock, backward, seed + 1)
        self.flow = Flow(self.clock, self.forward, self.backward, controller, media_bps=media_bps)

    def run(self, seconds: float) -> None:
        self.clock.run_until(self.clock.now_us + microseconds(seconds))

    def run_to(self, at_s: float) -> None:
        self.clock.run_until(microseconds(at_s))

    @property
    def target_bps(self) -> int:
        return self.flow.controller.target().bitrate_bps
