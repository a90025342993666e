"""When to probe, and how hard."""

from __future__ import annotations

from grace_transport.congestion.gcc.probe_controller import ProbeController, ProbePermit

S = 1_000_000
FREE, CAUTIOUS, FORBIDDEN = ProbePermit.FREE, ProbePermit.CAUTIOUS, ProbePermit.FORBIDDEN


def _rates(controller: ProbeController) -> list[int]:
    return [cluster.bitrate_bps for cluster in controller.take()]


def _settled(estimate_bps: int = 500_000, max_bps: int = 10_000_000) -> ProbeController:
    """Initial probing is over."""
    controller = ProbeController(300_000, max_bps)
    controller.start(0)
    controller.take()
    controller.on_estimate(estimate_bps, FREE, 0)
    controller.take()
    controller.handle_timer(2 * S)
    return controller


def test_starts_with_three_and_six_times_the_start_rate() -> None:
    controller = ProbeController(300_000, 10_000_000)
    controller.start(0)
    assert _rates(controller) == [900_000, 1_800_000]
    assert controller.idle
    controller.start(1)
    assert controller.idle


def test_cluster_numbers_are_never_used_twice() -> None:
    controller = ProbeController(300_000, 10_000_000)
    controller.start(0)
    controller.on_estimate(1_700_000, FREE, S // 10)
    ids = [cluster.cluster_id for cluster in controller.take()]
    assert len(set(ids)) == 3


def test_probes_never_exceed_the_maximum_or_five_mbps_if_there_is_none() -> None:
    capped, unknown = ProbeController(300_000, 1_000_000), ProbeController(1_000_000, None)
    for controller in (capped, unknown):
        controller.start(0)
    assert _rates(capped) == [900_000, 1_000_000]
    assert _rates(unknown) == [3_000_000, 5_000_000]


def test_good_result_is_followed_by_twice_as_much() -> None:
    controller = ProbeController(300_000, 10_000_000)
    controller.start(0)
    controller.take()
    controller.on_estimate(1_200_000, FREE, S // 10)  # less than .7 of 1.8 Mbps
    assert controller.idle
    controller.on_estimate(1_500_000, FREE, S // 5)
    assert _rates(controller) == [3_000_000]


def test_result_after_a_second_comes_too_late() -> None:
    controller = ProbeController(300_000, 10_000_000)
    controller.start(0)
    controller.take()
    controller.handle_timer(S + 1)
    controller.on_estimate(1_800_000, FREE, S + 2)
    assert controller.idle


def test_application_limited_flows_are_probed_every_five_seconds() -> None:
    controller = _settled()
    controller.on_alr(2 * S, 2 * S)
    controller.handle_timer(7 * S - 1)
    assert controller.idle
    controller.handle_timer(7 * S)
    assert _rates(controller) == [1_000_000]
    controller.handle_timer(8 * S + 1)
    assert controller.idle
    controller.handle_timer(12 * S)
    assert _rates(controller) == [1_000_000]


def test_estimate_held_down_by_what_is_sent_is_probed_too() -> None:
    controller = _settled()
    controller.on_held(True, 2 * S)
    controller.handle_timer(7 * S)
    assert _rates(controller) == [1_000_000]
    controller.on_held(False, 8 * S)
    controller.handle_timer(20 * S)
    assert controller.idle


def test_nothing_is_probed_for_at_the_maximum() -> None:
    controller = _settled(10_000_000)
    controller.on_alr(2 * S, 2 * S)
    controller.handle_timer(20 * S)
    assert controller.idle


def test_demand_that_grows_while_application_limited_is_probed_for_at_once() -> None:
    controller = _settled()
    controller.on_allocation(600_000, 2 * S)
    assert controller.idle
    controller.on_alr(2 * S, 2 * S)
    controller.on_allocation(800_000, 3 * S)
    assert _rates(controller) == [800_000, 1_000_000]
    controller.on_allocation(800_000, 4 * S)
    assert controller.idle


def test_demand_bounds_probing_at_twice_its_rate() -> None:
    controller = _settled(2_000_000)
    controller.on_allocation(1_500_000, 2 * S)
    controller.on_alr(2 * S, 2 * S)
    controller.handle_timer(7 * S)
    assert _rates(controller) == [3_000_000]


def test_after_a_large_drop_the_old_rate_is_probed_once_it_recovers() -> None:
    controller = _settled(2_000_000)
    controller.on_alr(2 * S, 2 * S)
    controller.on_estimate(1_000_000, FREE, 3 * S)
    controller.on_recovered(4 * S)
    assert _rates(controller) == [1_700_000]
    controller.on_recovered(5 * S)
    assert controller.idle


def test_what_a_probe_promised_and_the_next_moment_disproved_is_not_probed_for() -> None:
    controller = _settled(300_000)
    controller.on_alr(3 * S, 3 * S)
    controller.on_estimate(1_600_000, FREE, 3 * S)
    controller.on_estimate(450_000, FREE, 3 * S + S // 2)
    controller.on_recovered(4 * S)
    assert controller.idle
    controller.on_estimate(290_000, FREE, 5 * S)  # from a rate that has stood since
    controller.on_recovered(6 * S)
    assert _rates(controller) == [382_500]


def test_drop_is_not_probed_for_without_alr_or_long_after() -> None:
    busy, late = _settled(2_000_000), _settled(2_000_000)
    busy.on_estimate(1_000_000, FREE, 3 * S)
    busy.on_recovered(4 * S)
    late.on_alr(2 * S, 2 * S)
    late.on_estimate(1_000_000, FREE, 3 * S)
    late.on_recovered(9 * S)
    assert busy.idle
    assert late.idle


def test_no_probe_while_over_used_and_a_small_one_while_recovering_from_loss() -> None:
    controller = _settled()
    controller.on_alr(2 * S, 2 * S)
    controller.on_estimate(500_000, FORBIDDEN, 3 * S)
    controller.handle_timer(8 * S)
    assert controller.idle
    controller.on_estimate(500_000, CAUTIOUS, 9 * S)
    controller.handle_timer(9 * S)
    assert _rates(controller) == [750_000]


def test_probes_outlast_the_jitter() -> None:
    controller = _settled()
    controller.on_alr(2 * S, 2 * S)
    durations = []
    for second, jitter_us in ((7, 1_000), (12, 10_000), (17, 900_000)):
        controller.on_jitter(jitter_us)
        controller.handle_timer(second * S)
        durations += [cluster.min_duration_us for cluster in controller.take()]
        controller.handle_timer((second + 2) * S)
    assert durations == [15_000, 40_000, 100_000]
