"""Laws of `grace-rtc bench link`: it measures what it says; how fast this machine is, no test can know."""

from __future__ import annotations

import json
from functools import partial
from itertools import count

import pytest
from typer.testing import CliRunner

from grace_rtc.bench.link import SCENARIOS, measure
from grace_rtc.commands.bench import app


def test_a_measurement_counts_packets_over_the_clock_and_every_packet_once() -> None:
    for config in SCENARIOS.values():
        clock = map(float, count())  # each look at the clock is one second later
        speed = measure(config, 2_000, 1_200, partial(next, clock))
        assert (speed.packets_per_s, speed.per_bare_loop) == (2_000, 1.0)
        assert 0 < speed.delivered <= 2_000 - speed.dropped


def test_a_payload_that_fits_no_link_is_refused() -> None:
    with pytest.raises(ValueError, match="1473 bytes does not fit"):
        measure(SCENARIOS["trace"], 1, 1_473, lambda: 0.0)


def test_the_command_reports_every_scenario() -> None:
    result = CliRunner().invoke(app, ["link", "--packets", "1000", "--json"])
    speeds = json.loads(result.stdout)
    assert speeds.keys() == SCENARIOS.keys()
    assert all(speed["packets_per_s"] > 0 for speed in speeds.values())
    assert "packets/s" in CliRunner().invoke(app, ["link", "--packets", "1000"]).stdout


def test_bench_call_simulates_the_seconds_it_says() -> None:
    speeds = [json.loads(CliRunner().invoke(app, ["call", "--seconds", s, "--json"]).stdout) for s in ("1", "2")]
    assert [speed["simulated_s"] for speed in speeds] == [1, 2]
    assert speeds[0]["packets"] < speeds[1]["packets"]
    assert speeds[0]["events"] < speeds[1]["events"]


def test_bench_codec_times_every_stage_of_real_frames() -> None:
    for module in ("openvino", "constriction", "cv2", "av"):
        pytest.importorskip(module)
    from grace_codec.evaluation.bench import STAGES

    flags = ["codec", "--size", "128x96", "--frames", "4", "--frame-bytes", "1500", "--json"]
    speed = json.loads(CliRunner().invoke(app, flags).stdout)
    assert list(speed["stages"]) == list(STAGES)
    assert all(stage["ms"] > 0 and stage["per_reference"] > 0 for stage in speed["stages"].values())
    assert speed["stages"]["reference workload"]["per_reference"] == 1
    assert speed["frames"] == 2
    assert 100 < speed["bytes_per_frame"] <= 1.05 * 1500


def test_bench_codec_says_what_it_cannot_measure() -> None:
    result = CliRunner().invoke(app, ["codec", "--video", "builtin:nothing"])
    assert result.exit_code == 2
    assert "no such built-in clip" in result.output
