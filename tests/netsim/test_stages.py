"""Laws of the stages: each does one thing, at its rate, from its own seed."""

from __future__ import annotations

from itertools import groupby, pairwise
from random import Random

import pytest

from grace_netsim.link.events import LinkDropped
from grace_netsim.link.link import EventLevel, Link, LinkConfig
from grace_netsim.link.stages import (
    STAGES,
    Corruption,
    Duplication,
    FixedDelay,
    GilbertElliott,
    IidLoss,
    Jitter,
    LossPattern,
    LossRates,
    Outage,
    Reordering,
    StageConfig,
)

PAYLOAD = bytes(range(100))
EXAMPLES: dict[str, StageConfig] = {
    "delay": FixedDelay(5_000),
    "jitter": Jitter(5_000, 2_000),
    "loss": IidLoss(0.3),
    "gilbert-elliott": GilbertElliott.of_bursts(0.2, 3),
    "loss-pattern": LossPattern((False, True)),
    "loss-rates": LossRates((0.0, 0.9)),
    "outage": Outage(((5_000, 9_000), (50_000, 51_000))),
    "duplication": Duplication(0.3, 1_000),
    "reordering": Reordering(0.3, 9_000),
    "corruption": Corruption(0.3),
}


def pass_through(config: StageConfig, count: int, gap_us: int = 1_000, seed: int = 1) -> list[list[tuple[bytes, int]]]:
    stage = config.build(Random(seed))
    return [list(stage.pass_on(PAYLOAD, number * gap_us)) for number in range(count)]


def losses(config: StageConfig, count: int = 20_000, gap_us: int = 1_000) -> list[bool]:
    return [not outcome for outcome in pass_through(config, count, gap_us)]


def deliver(config: LinkConfig, count: int, gap_us: int = 1_000) -> list[tuple[int, bytes]]:
    link = Link(config)
    for number in range(count):
        link.receive_datagram(number.to_bytes(4, "big"), number * gap_us)
    out = []
    while (at_us := link.get_timer()) is not None:
        out += [(at_us, data) for data in link.datagrams_to_send(at_us)]
    return out


def test_every_stage_has_an_example_here() -> None:
    assert EXAMPLES.keys() == STAGES.keys()
    assert all(config.name == name for name, config in EXAMPLES.items())


@pytest.mark.parametrize("name", EXAMPLES)
def test_equal_seeds_give_equal_outcomes(name: str) -> None:
    assert pass_through(EXAMPLES[name], 200) == pass_through(EXAMPLES[name], 200)


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_stage_sends_a_packet_back_in_time(name: str) -> None:
    for number, outcome in enumerate(pass_through(EXAMPLES[name], 500)):
        assert all(at_us >= number * 1_000 for _, at_us in outcome)


def test_outage_takes_all_of_its_spans_and_nothing_else() -> None:
    lost = losses(Outage(((5_000, 8_000), (10_000, 11_000))), count=15)
    assert [number for number, gone in enumerate(lost) if gone] == [5, 6, 7, 10]
    with pytest.raises(ValueError, match="ends after it begins"):
        Outage(((5_000, 5_000),))


def test_fixed_delay_is_fixed() -> None:
    assert pass_through(FixedDelay(5_000), 2) == [[(PAYLOAD, 5_000)], [(PAYLOAD, 6_000)]]


def test_jitter_without_reordering_keeps_the_order() -> None:
    times = [outcome[0][1] for outcome in pass_through(Jitter(10_000, 5_000), 2_000)]
    assert times == sorted(times)


def test_jitter_with_reordering_lets_packets_overtake() -> None:
    delays = [
        outcome[0][1] - number * 1_000
        for number, outcome in enumerate(pass_through(Jitter(10_000, 2_000, reorder=True), 5_000))
    ]
    assert sum(delays) / 5_000 == pytest.approx(10_000, rel=0.02)
    assert any(after + 1_000 < before for before, after in pairwise(delays))
    assert min(delays) >= 0


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.3, 1.0])
def test_independent_loss_has_its_rate(probability: float) -> None:
    assert sum(losses(IidLoss(probability))) / 20_000 == pytest.approx(probability, abs=0.01)


def test_gilbert_elliott_has_its_mean_loss_and_burst_length() -> None:
    model = GilbertElliott.of_bursts(0.1, 4)
    assert model.mean_loss == pytest.approx(0.1)
    lost = losses(model, 60_000)
    bursts = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    assert sum(lost) / len(lost) == pytest.approx(0.1, abs=0.01)
    assert sum(bursts) / len(bursts) == pytest.approx(4, rel=0.1)


def test_gilbert_elliott_loses_in_both_states() -> None:
    model = GilbertElliott(good_to_bad=0.068, bad_to_good=0.852, loss_good=0.04, loss_bad=0.5)
    assert model.mean_loss == pytest.approx(0.0740, abs=0.0001)
    assert sum(losses(model, 60_000)) / 60_000 == pytest.approx(0.0740, abs=0.005)


def test_a_loss_pattern_repeats() -> None:
    assert losses(LossPattern((False, True, True)), 7) == [False, True, True, False, True, True, False]


def test_loss_rates_follow_the_time() -> None:
    lost = losses(LossRates((0.0, 1.0), step_us=100_000), 40, gap_us=10_000)
    assert lost == [False] * 10 + [True] * 10 + [False] * 10 + [True] * 10


def test_duplicates_come_later_as_stated() -> None:
    outcomes = pass_through(Duplication(0.25, after_us=700), 8_000)
    twice = [outcome for outcome in outcomes if len(outcome) == 2]
    assert len(twice) / 8_000 == pytest.approx(0.25, abs=0.02)
    assert all(second[1] - first[1] == 700 for first, second in twice)


def test_reordering_lets_later_packets_overtake() -> None:
    order = [int.from_bytes(data, "big") for _, data in deliver(LinkConfig(stages=(Reordering(0.1, 3_500),)), 1_000)]
    late = sum(after < before for before, after in pairwise(order))
    assert sorted(order) == list(range(1_000))
    assert 60 < late < 140


def test_corruption_flips_just_as_many_bits_as_stated() -> None:
    for [(payload, _)] in pass_through(Corruption(1.0, bits=3), 50):
        flipped = sum((a ^ b).bit_count() for a, b in zip(payload, PAYLOAD, strict=True))
        assert flipped == 3
    assert Corruption(1.0, bits=9).build(Random(0)).pass_on(b"\x0f", 0) == ((b"\xf0", 0),)
    assert Corruption(1.0).build(Random(0)).pass_on(b"", 0) == ((b"", 0),)


def test_stages_compose_in_their_order() -> None:
    stages = (Duplication(1.0), LossPattern((True, False)), FixedDelay(2_000))
    assert deliver(LinkConfig(stages=stages, delay_us=1_000), 3) == [
        (3_000 + number * 1_000, number.to_bytes(4, "big")) for number in range(3)
    ]


def test_a_lost_packet_is_reported_with_its_stage() -> None:
    link = Link(LinkConfig(stages=(FixedDelay(1), LossPattern((True,)))))
    link.receive_datagram(b"gone", 0)
    events = [link.next_event() for _ in range(3)]
    assert events[2] == LinkDropped(0, 36, "loss-pattern", b"")
    assert link.stats().dropped == {"loss-pattern": 1}
    assert link.get_timer() is None


def test_adding_a_stage_leaves_the_draws_of_the_others_alone() -> None:
    def lost(*stages: StageConfig) -> set[bytes]:
        got = deliver(LinkConfig(stages=stages, seed=5, events=EventLevel.NONE), 300)
        return {number.to_bytes(4, "big") for number in range(300)} - {data for _, data in got}

    assert lost(IidLoss(0.2)) == lost(Jitter(3_000, 1_000), IidLoss(0.2)) != set()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IidLoss(1.5), "probability must be a probability from 0 to 1, not 1.5"),
        (lambda: IidLoss(float("nan")), "from 0 to 1"),
        (lambda: GilbertElliott(0.1, -1), "bad_to_good must be a probability"),
        (lambda: GilbertElliott.of_bursts(0.9, 1), "needs bursts longer than 1 packets"),
        (lambda: GilbertElliott.of_bursts(1.0, 2), "mean_loss must be at least 0 and below 1"),
        (lambda: GilbertElliott.of_bursts(0.1, 0.5), "a burst is at least one packet long"),
        (lambda: LossPattern(()), "needs at least one entry"),
        (lambda: LossRates(()), "needs at least one entry"),
        (lambda: LossRates((0.1,), step_us=0), "step_us must be positive"),
        (lambda: Jitter(-1, 0), "mean_us must not be negative"),
        (lambda: FixedDelay(-1), "delay_us must not be negative"),
        (lambda: Reordering(0.1, -1), "late_us must not be negative"),
        (lambda: Duplication(0.1, -1), "after_us must not be negative"),
        (lambda: Corruption(0.1, bits=0), "bits must be at least 1"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
