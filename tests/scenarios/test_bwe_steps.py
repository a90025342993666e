"""str0m's bandwidth estimation scenarios: conditions, media, run, check.

As there, padding fills the rate up to what is wanted. Under random loss the median of several seeds has to pass.
"""

from __future__ import annotations

from statistics import median

import pytest

from grace_transport.congestion.gcc.control import Gcc

from .bwe_scenarios import Call, Scenario, loss_model, scenarios
from .bwe_sim import Conditions, Probe

MAX_BPS = 100_000_000  # str0m has no hard maximum: what is wanted bounds probing, not the estimate
SEEDS = (1, 2, 3)
UNPROVEN = {
    ("str0m_bwe_wifi_congested_as_intended", "v2"): "the source never ran these conditions (its note: bounds not "
    "verified); under 9 % loss in bursts v2 stops at about 100 kbps / (loss - 5 %), short of the 1.5 Mbps"
}


class _Runner:
    """Takes the steps of one scenario and keeps what was to be checked."""

    def __init__(self, scenario: Scenario, loss_control: str, seed: int) -> None:
        start_bps = scenario["initial_estimate_bps"]
        self.gcc = Gcc(start_bps=start_bps, min_bps=5_000, max_bps=MAX_BPS, loss_control=loss_control)
        self.call = Call(self.gcc, Conditions(), Conditions(), media_bps=2_000_000, seed=seed)
        self.gcc.on_allocation(scenario["initial_desired_bps"], 0)
        self.estimates_bps: list[int] = []
        self._since_us = 0

    def run(self, scenario: Scenario) -> list[int]:
        """The estimates at the checks; probes are checked at once."""
        for step in scenario["steps"]:
            self.take(step)
        return self.estimates_bps

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
        self._since_us = self.call.clock.now_us

    def _media(self, step: Scenario) -> None:
        self.call.flow.media_bps = step["media_send_bps"]
        self.call.flow.pad_to_bps = step["desired_bps"]
        self.gcc.on_allocation(step["desired_bps"], self.call.clock.now_us)
        self.call.flow.poke()
        self._since_us = self.call.clock.now_us

    def _run(self, step: Scenario) -> None:
        self.call.flow.start()
        self.call.run(step["duration_s"])

    def _check_estimate(self, step: Scenario) -> None:
        self.estimates_bps.append(self.call.target_bps)

    def _check_any_probe(self, step: Scenario) -> None:
        assert any(_matches(probe, step) for probe in self._recent_probes())

    def _assert_no_probes(self, step: Scenario) -> None:
        assert self._recent_probes() == []

    def _recent_probes(self) -> list[Probe]:
        return [probe for probe in self.call.flow.probes if probe.at_us >= self._since_us]


def _matches(probe: Probe, step: Scenario) -> bool:
    rate_bps = probe.cluster.bitrate_bps
    low_bps: float = step.get("target_above_bps", -1) + 1
    high_bps: float = step.get("target_at_most_bps", MAX_BPS)
    if "target_bps" in step:
        low_bps = step["target_bps"] * (1 - step["relative_tolerance"])
        high_bps = step["target_bps"] * (1 + step["relative_tolerance"])
    return probe.in_alr == (step["kind"] == "alr") and low_bps <= rate_bps <= high_bps


def _is_random(scenario: Scenario) -> bool:
    return any(step["step"] == "conditions" and step["loss"] for step in scenario["steps"])


@pytest.mark.parametrize("loss_control", ["tolerant", "v2"])
@pytest.mark.parametrize("scenario", scenarios("steps"))
def test_steps(scenario: Scenario, loss_control: str, request: pytest.FixtureRequest) -> None:
    unproven = UNPROVEN.get((scenario["name"], loss_control))
    if unproven:
        request.applymarker(pytest.mark.xfail(strict=True, reason=unproven))
    bounds_bps = [step["at_least_bps"] for step in scenario["steps"] if step["step"] == "check_estimate"]
    seeds = SEEDS if _is_random(scenario) else SEEDS[:1]
    runs = [_Runner(scenario, loss_control, seed).run(scenario) for seed in seeds]
    for number, bound_bps in enumerate(bounds_bps):
        estimates_bps = [run[number] for run in runs]
        assert median(estimates_bps) >= bound_bps, f"check {number + 1} of {len(bounds_bps)}: {estimates_bps}"
