"""Laws of whole calls in virtual time, with the stub codec."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grace_codec.api import LossResponse
from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Frame, Plane
from grace_lab.call import CallConfig, Lab
from grace_lab.cost import ComputeCost
from grace_lab.log.file import write_log
from grace_lab.log.schema import SessionLog
from grace_lab.metrics import measure
from grace_netsim.link.link import LinkConfig
from grace_netsim.link.stages import IidLoss, LossRates
from grace_transport.congestion import CONTROLLERS

GREY: Plane = np.full((64, 64), 128, np.uint8)
FACTS: dict[str, int | float | str] = {
    "scheme": "stub", "video": "none", "trace": "none", "fps": 25.0, "width": 64, "height": 64, "seed": 1,
    "cc": "gcc", "loss_control": "v2", "owd_ms": 100.0, "queue_packets": 25,
}  # fmt: skip


class WholeFramesStub(StubCodec):
    """The stub as a scheme that waits for all packets."""

    loss_response = LossResponse.RETRANSMIT


COST = ComputeCost(10_000, 5_000, 1_000)


def call(
    uplink: LinkConfig,
    feedback: LinkConfig | None = None,
    *,
    seconds: float = 6,
    cc: str = "gcc",
    whole: bool = False,
    cost: ComputeCost = COST,
) -> SessionLog:
    config = CallConfig(
        fps=25,
        frames=round(25 * seconds),
        uplink=uplink,
        feedback=feedback or LinkConfig(delay_us=100_000, queue="infinite"),
        cost=cost,
        pixels=False,
        facts=FACTS,
    )
    encoder, decoder = (WholeFramesStub() if whole else StubCodec() for _ in range(2))
    controller = CONTROLLERS[cc](start_bps=500_000, min_bps=50_000, max_bps=4_000_000)
    return Lab(config, lambda i: Frame(i, 0, GREY, GREY, GREY), encoder, decoder, controller, SessionLog()).run()


def link(rate_bps: int = 2_000_000, loss: float = 0, seed: int = 1) -> LinkConfig:
    stages = (IidLoss(loss),) if loss else ()
    return LinkConfig(rate_bps=rate_bps, delay_us=100_000, queue_packets=25, stages=stages, seed=seed)


def states_agree(log: SessionLog) -> list[bool]:
    """Per frame that was decoded completely and in sync: whether both ends gave its state the same name."""
    sent = {event.integer("frame_id"): event.integer("lineage") for event in log.named("frame_encoded")}
    return [
        sent[event.integer("frame_id")] == event.integer("lineage")
        for event in log.named("frame_decoded")
        if event.facts["in_sync"] and event.facts["received"] == event.facts["total"]
    ]


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_log(call(link(loss=0.1)), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_log(call(link(loss=0.1, seed=2)), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_frames_whose_costs_are_known_take_that_long() -> None:
    known = replace(COST, encoded_us={0: 30_000, 2: 20_000}, decoded_us={2: 7_000})
    log = call(link(rate_bps=20_000_000), seconds=0.2, cost=known)
    encoded = [event.integer("encode_us") for event in log.named("frame_encoded")]
    decoded = [event.integer("decode_us") for event in log.named("frame_decoded")]
    assert (encoded, decoded) == ([30_000, 10_000, 20_000, 10_000, 10_000], [5_000, 5_000, 7_000, 5_000, 5_000])
    times = [event.at_us for event in log.named("frame_encoded")]
    assert times == [30_000, 50_000, 100_000, 130_000, 170_000]


def test_every_frame_of_a_clean_call_is_shown_after_path_and_computing_time() -> None:
    log = call(link(rate_bps=20_000_000))
    figures = measure(log)
    assert figures["frames_rendered"] == 150
    assert figures["frames_partial"] == figures["resyncs"] == 0
    shortest_us = min(event.integer("delay_us") for event in log.named("frame_rendered"))
    assert 100_000 + 10_000 + 5_000 < shortest_us < 160_000


def test_rate_follows_the_link() -> None:
    bitrate_bps = measure(call(link(rate_bps=1_000_000), seconds=20))["bitrate_bps"]
    assert bitrate_bps is not None
    assert 600_000 < bitrate_bps < 1_000_000


def test_partial_frames_are_shown_and_both_ends_agree_again() -> None:
    log = call(link(rate_bps=20_000_000, loss=0.01), seconds=10)
    figures = measure(log)
    assert figures["frames_partial"] > 10  # type: ignore[operator]
    assert figures["resyncs"] > 5  # type: ignore[operator]
    assert figures["frames_rendered"] > 0.97 * 250  # type: ignore[operator]
    agreement = states_agree(log)
    assert len(agreement) > 50
    assert all(agreement)


def test_lost_feedback_delays_resync_but_both_ends_agree_after_the_last_loss() -> None:
    uplink = LinkConfig(
        rate_bps=20_000_000, delay_us=100_000, stages=(LossRates((0.2,) * 6 + (0.0,) * 6, 1_000_000),), seed=3
    )
    feedback = LinkConfig(delay_us=100_000, queue="infinite", stages=(IidLoss(0.3),), seed=4)
    log = call(uplink, feedback, seconds=10)
    in_sync = [event.facts["in_sync"] for event in log.named("frame_decoded") if event.at_us > 7_000_000]
    assert len(in_sync) > 70
    assert all(in_sync)
    assert all(states_agree(log))


def test_whole_frame_scheme_shows_no_partial_frame_and_retransmits() -> None:
    log = call(link(loss=0.03), whole=True, seconds=10)
    figures = measure(log)
    assert figures["frames_partial"] == 0
    assert figures["retransmission_ratio"] > 0.01  # type: ignore[operator]
    assert all(event.facts["received"] == event.facts["total"] for event in log.named("frame_decoded"))
    shown = [event.integer("frame_id") for event in log.named("frame_rendered")]
    assert shown == sorted(shown)
    assert len(shown) > 200


def test_loss_costs_whole_frames_delay_and_partial_frames_none() -> None:
    whole, partial = (measure(call(link(loss=0.05), seconds=10, whole=whole)) for whole in (True, False))
    assert whole["p98_delay_ms"] > partial["p98_delay_ms"] + 100  # type: ignore[operator]


@pytest.mark.parametrize("cc", list(CONTROLLERS))
def test_every_controller_survives_an_outage(cc: str) -> None:
    from grace_netsim.trace.rates import RateSeries

    rates = RateSeries((2_000_000,) * 20 + (0,) * 20 + (2_000_000,) * 40)
    log = call(LinkConfig(rates=rates, delay_us=50_000, queue_packets=25), seconds=8, cc=cc)
    shown_us = [event.at_us for event in log.named("frame_rendered")]
    assert any(at_us > 6_000_000 for at_us in shown_us)
    assert not list(log.named("datagram_rejected"))


def test_dropped_packets_are_named() -> None:
    log = call(link(loss=0.1))
    sent = {event.integer("seq") for event in log.named("packet_sent")}
    dropped = [event.integer("seq") for event in log.named("packet_dropped")]
    assert len(dropped) > 10
    assert set(dropped) <= sent
