"""str0m's bandwidth estimation scenarios: conditions, media, run, check."""

from __future__ import annotations

import pytest

from grace_transport.congestion.gcc import Gcc

from .bwe_scenarios import Call, Scenario, loss_model, scenarios
from .bwe_sim import Conditions, Probe

MAX_BPS = 100_000_000  # str0m has no hard maximum: what is wanted bounds probing, not the estimate


class _Runner:
    """Takes the steps of one scenario."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        start_bps = scenario["initial_estimate_bps"]
        controller = Gcc(start_bps=start_bps, min_bps=5_000, max_bps=MAX_BPS, loss_control="v2")
        self.call = Call(controller, Conditions(), Conditions(), media_bps=2_000_000, seed=seed)
        controller.on_allocation(scenario["initial_desired_bps"], 0)
        self.since_us = 0

    def take(self, step: Scenario) -> None:
        getattr(self, f"_{step['step']}")(step)

    def _conditions(self, step: Scenario) -> None:
        conditions = Conditions(
            capacity_bps=step["capacity_bps"],
            delay_us=step["one_way_delay_ms"] * 1_000,
            jitter_us=step["jitter_ms"] * 1_000,
            loss=loss_model(step["loss"]),
            queue_bytes=step["buffer_bytes"],
        )
        self.call.forward.set(conditions)
        self.call.backward.set(conditions)
        self.since_us = self.call.clock.now_us

    def _media(self, step: Scenario) -> None:
        self.call.flow.media_bps = step["media_send_bps"]
        self.call.flow.pad_to_bps = step["desired_bps"]
        self.call.controller.on_allocation(step["desired_bps"], self.call.clock.now_us)
        self.call.flow.poke()
        self.since_us = self.call.clock.now_us

    def _run(self, step: Scenario) -> None:
        self.call.flow.start()
        self.call.run(step["duration_s"])

    def _check_estimate(self, step: Scenario) -> None:
        assert self.call.target_bps >= step["at_least_bps"], f"at {self.call.clock.now_us / 1e6} s"

    def _check_any_probe(self, step: Scenario) -> None:
        assert any(_matches(probe, step) for probe in self._recent_probes())

    def _assert_no_probes(self, step: Scenario) -> None:
        assert self._recent_probes() == []

    def _recent_probes(self) -> list[Probe]:
        return [probe for probe in self.call.flow.probes if probe.at_us >= self.since_us]


def _matches(probe: Probe, step: Scenario) -> bool:
    rate_bps = probe.cluster.bitrate_bps
    if probe.in_alr != (step["kind"] == "alr"):
        return False
    if "target_bps" in step:
        return abs(rate_bps - step["target_bps"]) <= step["relative_tolerance"] * step["target_bps"]
    return step.get("target_above_bps", -1) < rate_bps <= step.get("target_at_most_bps", MAX_BPS)


@pytest.mark.parametrize("scenario", scenarios("steps"))
def test_steps(scenario: Scenario) -> None:
    runner = _Runner(scenario, seed=1)
    for step in scenario["steps"]:
        runner.take(step)
