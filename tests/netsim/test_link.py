"""Laws of the emulated link: opportunities, the token bucket, and how delay and events behave around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as run_with
from hypothesis import strategies as st
from tests.vectors import cases

from grace_netsim.link.events import (
    LinkArrived,
    LinkDelivered,
    LinkDeparted,
    LinkDropped,
    LinkEvent,
    LinkOpportunity,
    mahimahi_log,
)
from grace_netsim.link.link import EventLevel, Link, LinkConfig
from grace_netsim.link.packet import charged_bytes
from grace_netsim.link.stages import Corruption, IidLoss
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries
from grace_transport.machine import Machine

FULL = bytes(1472)  # charged 1504: exactly one opportunity


def trace_link(*times_ms: int, **changes: Any) -> Link:
    settings: dict[str, Any] = {"queue": "infinite", "events": EventLevel.ALL} | changes
    return Link(LinkConfig(trace=OpportunityTrace(times_ms), **settings))


def events_of(link: Link) -> list[LinkEvent]:
    events = []
    while (event := link.next_event()) is not None:
        events.append(event)
    return events


def departures_ms(link: Link) -> list[int]:
    return [event.at_us // 1_000 for event in events_of(link) if isinstance(event, LinkDeparted)]


def drain(link: Link, until_us: int) -> list[tuple[int, bytes]]:
    """Run a link on its own timer; everything that comes out, and when."""
    out = []
    while (at_us := link.get_timer()) is not None and at_us <= until_us:
        link.handle_timer(at_us)
        out += [(at_us, data) for data in link.datagrams_to_send(at_us)]
    return out


@pytest.mark.parametrize("case", cases("link", "cases"))
def test_every_vector_departs_drops_and_logs_as_stated(case: Any) -> None:
    queue, expected = case["queue"], case["expected"]
    link = trace_link(
        *case["trace_ms"],
        repeat=case["repeat"],
        queue=queue["kind"],
        queue_packets=queue["limit_packets"],
        queue_bytes=queue["limit_bytes"],
    )
    for number, packet in enumerate(case["packets"]):
        payload = number.to_bytes(4, "big")[-packet["udp_payload_bytes"] or 4 :]
        link.receive_datagram(payload.rjust(packet["udp_payload_bytes"], b"\0"), packet["arrival_ms"] * 1_000)
    link.handle_timer(case["run_until_ms"] * 1_000)
    stats, events = link.stats(), events_of(link)
    departed = [event.at_us / 1_000 for event in events if isinstance(event, LinkDeparted)]
    assert departed == sorted(p["departure_ms"] for p in case["packets"] if p["expected"] == "delivered")
    assert sum(stats.dropped.values()) == sum(p["expected"] == "dropped" for p in case["packets"])
    assert (stats.opportunities, stats.used_bytes, stats.wasted_bytes) == (
        expected["opportunities"],
        expected["used_bytes"],
        expected["wasted_bytes"],
    )
    assert (link.queued_packets, link.queued_bytes) == (expected["queued_packets"], expected["queued_bytes"])
    assert link.transit_bytes_left == expected["in_transit_bytes_left"]
    if "mm_link_log" in case:
        assert list(mahimahi_log(events, header=False)) == case["mm_link_log"]


def test_a_link_is_a_machine() -> None:
    machine: Machine[LinkEvent, bytes] = trace_link(10)
    assert machine.get_timer() is None


def test_a_full_packet_takes_one_opportunity() -> None:
    link = trace_link(10, 20)
    link.receive_datagram(FULL, 1_000)
    assert link.get_timer() == 10_000
    link.handle_timer(10_000)
    assert link.datagrams_to_send(10_000) == [FULL]
    assert departures_ms(link) == [10]


def test_a_packet_cannot_use_an_opportunity_of_its_own_arrival_millisecond() -> None:
    link = trace_link(10, 10, 20)
    link.receive_datagram(FULL, 10_000)
    link.receive_datagram(FULL, 10_999)
    link.handle_timer(30_000)
    assert departures_ms(link) == [20, 30]
    assert link.stats().wasted_bytes == 3 * 1504  # both at 10 ms, and one of the two at 30 ms


def test_a_packet_that_spans_opportunities_leaves_at_the_one_that_finishes_it() -> None:
    link = trace_link(10, 20, 30)
    for _ in range(3):
        link.receive_datagram(bytes(1000), 1_000)  # charged 1032
    link.handle_timer(10_000)
    assert link.transit_bytes_left == 560
    assert link.queued_packets == 1
    link.handle_timer(30_000)
    assert departures_ms(link) == [10, 20, 30]


def test_several_packets_leave_in_one_opportunity_and_the_rest_is_wasted() -> None:
    link = trace_link(10)
    for _ in range(3):
        link.receive_datagram(bytes(100), 0)
    link.handle_timer(10_000)
    assert departures_ms(link) == [10, 10, 10]
    assert (link.stats().used_bytes, link.stats().wasted_bytes) == (396, 1108)


def test_the_trace_repeats_from_its_last_time() -> None:
    link = trace_link(3, 7)
    for _ in range(6):
        link.receive_datagram(FULL, 0)
    link.handle_timer(21_000)
    assert departures_ms(link) == [3, 7, 10, 14, 17, 21]


def test_a_trace_played_once_ends() -> None:
    link = trace_link(10, 20, repeat=False)
    for _ in range(3):
        link.receive_datagram(FULL, 1_000)
    assert len(link.datagrams_to_send(1_000_000)) == 2
    assert departures_ms(link) == [10, 20]
    assert link.queued_packets == 1
    assert link.get_timer() is None


def test_the_packet_in_transit_does_not_count_against_the_queue() -> None:
    link = trace_link(10, 20, 30, 40, queue="droptail", queue_packets=2)
    for at_us in (1_000, 1_000, 1_000, 11_000, 11_000, 11_000):
        link.receive_datagram(bytes(1172), at_us)
    link.handle_timer(40_000)
    assert departures_ms(link) == [10, 20, 30, 40]
    assert link.stats().dropped == {"droptail": 2}


def test_idle_opportunities_are_skipped_but_counted() -> None:
    link = trace_link(1, events=EventLevel.PACKETS)
    link.receive_datagram(FULL, 3_600_000_000)
    assert link.stats().opportunities == 3_600_000
    assert link.get_timer() == 3_600_001_000


@given(
    times=st.lists(st.integers(0, 40), min_size=1, max_size=12).map(sorted).filter(lambda times: times[-1] > 0),
    arrivals=st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 1472)), max_size=40).map(sorted),
    repeat=st.booleans(),
)
@run_with(max_examples=60)
def test_skipping_idle_opportunities_changes_nothing(
    times: list[int], arrivals: list[tuple[int, int]], repeat: bool
) -> None:
    skipping = trace_link(*times, repeat=repeat, queue="droptail", queue_packets=3, events=EventLevel.PACKETS)
    stepping = trace_link(*times, repeat=repeat, queue="droptail", queue_packets=3, events=EventLevel.ALL)
    for link in (skipping, stepping):
        for at_us, size in arrivals:
            link.receive_datagram(bytes(size), at_us)
        link.handle_timer(400_000)
    assert skipping.stats() == stepping.stats()
    stepped = [event for event in events_of(stepping) if not isinstance(event, LinkOpportunity)]
    assert events_of(skipping) == stepped


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 1472)), max_size=40).map(sorted),
    wakes=st.lists(st.integers(0, 500_000), max_size=10),
    source=st.sampled_from(["trace", "rates", "rate", "none"]),
    queue=st.sampled_from(["droptail", "drophead", "codel", "infinite"]),
)
@run_with(max_examples=80)
def test_how_late_the_host_calls_changes_no_time(
    arrivals: list[tuple[int, int]], wakes: list[int], source: str, queue: str
) -> None:
    sources: dict[str, Any] = {
        "trace": {"trace": OpportunityTrace((4, 4, 9, 31))},
        "rates": {"rates": RateSeries((900_000, 0, 5_000_000))},
        "rate": {"rate_bps": 1_000_000, "burst_bytes": 3_000},
        "none": {},
    }
    prompt = Link(LinkConfig(**sources[source], delay_us=7_000, queue=queue, queue_packets=4, seed=1))
    lazy = Link(LinkConfig(**sources[source], delay_us=7_000, queue=queue, queue_packets=4, seed=1))
    for at_us, size in arrivals:
        drain(prompt, at_us)
        prompt.receive_datagram(bytes(size), at_us)
        for wake_us in sorted(wakes):
            if wake_us <= at_us:
                lazy.datagrams_to_send(wake_us)
        lazy.receive_datagram(bytes(size), at_us)
    drain(prompt, 2_000_000)
    prompt.handle_timer(2_000_000)
    lazy.datagrams_to_send(2_000_000)
    delivered = [[e for e in events_of(link) if isinstance(e, LinkDelivered)] for link in (prompt, lazy)]
    assert delivered[0] == delivered[1]
    assert prompt.stats() == lazy.stats()


def test_every_byte_is_delivered_dropped_or_waiting() -> None:
    link = trace_link(5, 9, 14, queue="droptail", queue_packets=5)
    for number in range(200):
        link.receive_datagram(bytes(7 * number % 1473), number * 1_300)
    link.datagrams_to_send(260_000)
    stats = link.stats()
    in_transit = 1 if link.transit_bytes_left else 0
    assert stats.arrived == stats.departed + sum(stats.dropped.values()) + link.queued_packets + in_transit == 200
    assert stats.delivered == stats.departed
    assert stats.used_bytes + stats.wasted_bytes == 1504 * stats.opportunities


def test_a_constant_rate_serializes() -> None:
    link = Link(LinkConfig(rate_bps=8_000_000, delay_us=50_000))
    link.receive_datagram(bytes(968), 0)  # charged 1000 bytes: 1 ms
    link.receive_datagram(bytes(968), 0)
    link.receive_datagram(bytes(968), 9_000)
    assert drain(link, 100_000) == [(51_000, bytes(968)), (52_000, bytes(968)), (60_000, bytes(968))]


def test_an_idle_line_saves_nothing_without_a_bucket() -> None:
    link = Link(LinkConfig(rate_bps=8_000_000))
    link.receive_datagram(bytes(968), 5_000_000)
    assert link.get_timer() == 5_001_000


def test_an_idle_bucket_saves_up_to_its_depth() -> None:
    link = Link(LinkConfig(rate_bps=8_000_000, burst_bytes=2_000))
    for _ in range(4):
        link.receive_datagram(bytes(968), 5_000_000)
    assert [at_us for at_us, _ in drain(link, 6_000_000)] == [5_000_000, 5_000_000, 5_001_000, 5_002_000]


def test_the_rate_changes_every_100_ms() -> None:
    link = Link(LinkConfig(rates=RateSeries((8_000_000, 800_000))))
    link.receive_datagram(bytes(968), 99_500)  # half at 8 Mbit/s in 0.5 ms, half at 0.8 Mbit/s in 5 ms
    link.receive_datagram(bytes(968), 99_500)
    assert [at_us for at_us, _ in drain(link, 400_000)] == [105_000, 115_000]


def test_a_rate_of_zero_holds_packets_until_it_ends() -> None:
    link = Link(LinkConfig(rates=RateSeries((8_000_000, 0, 0))))
    link.receive_datagram(bytes(968), 150_000)
    assert link.get_timer() == 301_000


def test_rates_played_once_end() -> None:
    link = Link(LinkConfig(rates=RateSeries((8_000_000,)), repeat=False))
    link.receive_datagram(bytes(968), 98_500)
    link.receive_datagram(bytes(968), 98_500)
    assert [at_us for at_us, _ in drain(link, 10_000_000)] == [99_500]
    assert link.get_timer() is None


def test_without_a_bottleneck_only_the_delay_counts() -> None:
    link = Link(LinkConfig(delay_us=20_000, queue_packets=1))
    for _ in range(5):
        link.receive_datagram(b"x", 1_000)
    assert drain(link, 30_000) == [(21_000, b"x")] * 5


def test_the_start_time_is_the_time_zero_of_the_trace() -> None:
    link = Link(LinkConfig(trace=OpportunityTrace((10,))), start_us=77_000_500)
    link.receive_datagram(FULL, 77_001_000)
    assert link.get_timer() == 77_010_500
    rated = Link(LinkConfig(rates=RateSeries((8_000_000, 0))), start_us=1_000_000)
    rated.receive_datagram(bytes(968), 1_099_500)
    assert rated.get_timer() == 1_200_500


def test_packets_of_one_instant_stay_in_order() -> None:
    link = Link(LinkConfig(delay_us=5_000, queue="infinite"))
    for number in range(50):
        link.receive_datagram(bytes([number]), 0)
    assert link.datagrams_to_send(5_000) == [bytes([number]) for number in range(50)]


def test_an_oversized_packet_is_dropped_and_counted() -> None:
    link = trace_link(10)
    link.receive_datagram(bytes(1473), 0)
    link.receive_datagram(bytes(70_000), 0)
    assert link.stats().dropped == {"oversized": 2}
    assert link.queued_packets == 0
    with pytest.raises(ValueError, match="1473 bytes does not fit a 1504-byte delivery opportunity"):
        charged_bytes(1473)
    assert charged_bytes(1472) == 1504


def test_events_tell_the_life_of_a_packet() -> None:
    link = Link(LinkConfig(trace=OpportunityTrace((10,)), delay_us=3_000, queue_packets=1))
    link.receive_datagram(b"first", 2_000)
    link.receive_datagram(b"second", 4_000)
    assert drain(link, 20_000) == [(13_000, b"first")]
    events = events_of(link)
    assert events == [
        LinkArrived(2_000, 37),
        LinkArrived(4_000, 38),
        LinkDropped(4_000, 38, "droptail", b""),
        LinkDeparted(10_000, 37, 8_000),
        LinkDelivered(13_000, 37, 11_000),
    ]
    assert [event.datagram for event in events if isinstance(event, LinkDropped)] == [b"second"]


def test_with_events_off_nothing_is_told_but_all_is_counted() -> None:
    link = trace_link(10, events=EventLevel.NONE, queue="droptail", queue_packets=1)
    link.receive_datagram(FULL, 0)
    link.receive_datagram(FULL, 0)
    link.datagrams_to_send(10_000)
    assert link.next_event() is None
    stats = link.stats()
    assert (stats.arrived, stats.delivered, stats.delivered_bytes, stats.dropped) == (2, 1, 1504, {"droptail": 1})


def test_the_log_opens_as_mahimahis_does_and_gathers_the_drops_of_one_arrival() -> None:
    link = trace_link(10, queue="drophead", queue_packets=None, queue_bytes=1600)
    for size, at_us in ((100, 1_000), (100, 2_000), (1472, 3_000)):
        link.receive_datagram(bytes(size), at_us)
    link.handle_timer(10_000)
    assert list(mahimahi_log(events_of(link))) == [
        "# mahimahi mm-link log by grace-rtc",
        "# base timestamp: 0",
        "1 + 132",
        "2 + 132",
        "3 + 1504",
        "3 d 2 264",
        "10 # 1504",
        "10 - 1504 7",
    ]


def test_equal_seeds_give_equal_runs_and_other_seeds_others() -> None:
    def run(seed: int) -> list[tuple[int, bytes]]:
        link = Link(LinkConfig(stages=(IidLoss(0.5),), seed=seed))
        for number in range(64):
            link.receive_datagram(bytes([number]), 0)
        return drain(link, 1_000)

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_bps": 1, "rates": RateSeries((1,))}, "only one of trace, rates and rate_bps"),
        ({"rate_bps": 0}, "rate_bps must be positive"),
        ({"queue": "red"}, "no queue is called 'red': use one of droptail, drophead, codel, infinite"),
        ({"delay_us": -1}, "delay_us must not be negative: -1"),
        ({"queue_packets": -1}, "queue_packets must not be negative"),
        ({"queue_packets": None}, "droptail needs queue_packets or queue_bytes"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinkConfig(**changes)


@dataclass(frozen=True)
class Parcel:
    """A datagram with something its host knows about it."""

    data: bytes
    owner: str

    def __len__(self) -> int:
        return len(self.data)


def test_link_carries_any_type_with_a_length_and_gives_the_same_object_on() -> None:
    link: Link[Parcel] = Link(LinkConfig(rate_bps=8_000_000, queue_packets=1))
    parcels = [Parcel(bytes(968), name) for name in ("first", "second", "third")]
    for parcel in parcels:
        link.receive_datagram(parcel, 0)
    events = [event for _ in range(100) if (event := link.next_event()) is not None]
    assert [event.datagram for event in events if isinstance(event, LinkDropped)] == parcels[2:]
    assert link.datagrams_to_send(1_000) == parcels[:1]
    assert link.datagrams_to_send(2_000) == parcels[1:2]


def test_corruption_needs_bytes() -> None:
    link: Link[Parcel] = Link(LinkConfig(stages=(Corruption(1.0),)))
    with pytest.raises(TypeError, match="this link carries Parcel"):
        link.receive_datagram(Parcel(b"x", "me"), 0)
