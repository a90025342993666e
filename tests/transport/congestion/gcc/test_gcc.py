"""Google Congestion Control as a whole, without a network: reports made by hand."""

from __future__ import annotations

from grace_transport.congestion.gcc.control import PACING_FACTOR, TIMER_US, Gcc
from grace_transport.congestion.gcc.overuse import Usage
from grace_transport.types import Feedback, PacketSent

MS, S = 1_000, 1_000_000


def _gcc(**options: object) -> Gcc:
    return Gcc(start_bps=300_000, min_bps=30_000, max_bps=3_000_000, **options)  # type: ignore[arg-type]


class _Path:
    """Sends at a rate over a fixed delay, reports every 100 ms."""

    def __init__(self, gcc: Gcc) -> None:
        self.gcc, self.now_us, self.seq = gcc, 0, 0

    def run(
        self, seconds: float, rate_bps: int, *, queue_ms: int = 0, queue_ms_per_s: float = 0.0, lost_every: int = 0
    ) -> None:
        start_us, end_us = self.now_us, self.now_us + int(seconds * S)
        pending: list[tuple[int, int | None]] = []
        reported_us = start_us
        while self.now_us < end_us:
            self.gcc.on_packet_sent(PacketSent(self.seq, self.now_us, 1_000))
            queue_us = queue_ms * MS + int((self.now_us - start_us) * queue_ms_per_s / 1_000)
            is_lost = lost_every and self.seq % lost_every == 0
            pending.append((self.seq, None if is_lost else self.now_us + 50 * MS + queue_us))
            self.seq += 1
            self.now_us += 8_000 * S // rate_bps
            if self.now_us - reported_us >= 100 * MS:
                self.gcc.on_feedback(Feedback(tuple(pending)), self.now_us + 100 * MS)
                self.gcc.handle_timer(self.now_us + 100 * MS)
                self.gcc.probes_to_send(self.now_us + 100 * MS)
                pending, reported_us = [], self.now_us


def test_rate_grows_while_the_delay_is_steady() -> None:
    gcc = _gcc()
    _Path(gcc).run(5, 300_000)
    assert 350_000 < gcc.target().bitrate_bps <= 1.5 * 300_000 + 10_000
    assert gcc.usage is Usage.NORMAL


def test_rate_falls_below_what_arrives_while_the_delay_grows() -> None:
    gcc = _gcc()
    path = _Path(gcc)
    path.run(3, 1_000_000)
    path.run(2, 1_000_000, queue_ms_per_s=300)
    assert gcc.target().bitrate_bps < 900_000


def test_pacing_is_two_and_a_half_times_the_target() -> None:
    target = _gcc().target()
    assert target.pacing_bps == PACING_FACTOR * target.bitrate_bps


def test_timer_runs_from_the_first_packet_on() -> None:
    gcc = _gcc()
    assert gcc.get_timer() is None
    gcc.on_packet_sent(PacketSent(0, 1 * S, 100))
    assert gcc.get_timer() == 1 * S + TIMER_US
    gcc.handle_timer(2 * S)
    assert gcc.get_timer() == 2 * S + TIMER_US


def test_first_probes_are_three_and_six_times_the_start_rate() -> None:
    gcc = _gcc()
    assert [cluster.bitrate_bps for cluster in gcc.probes_to_send(0)] == [900_000, 1_800_000]
    assert gcc.probes_to_send(1) == []


def test_probe_result_becomes_the_target() -> None:
    gcc = _gcc()
    cluster = gcc.probes_to_send(0)[0]
    sent = [(i, i * 10 * MS) for i in range(5)]  # 1,125 bytes each 10 ms: 900 kbps
    for seq, at_us in sent:
        gcc.on_packet_sent(PacketSent(seq, at_us, 1_125, cluster.cluster_id))
    gcc.on_feedback(Feedback(tuple((seq, at_us + 50 * MS) for seq, at_us in sent)), 200 * MS)
    assert gcc.target().bitrate_bps == 900_000


def test_random_loss_of_half_the_packets_starves_v1_and_v2_but_not_tolerant() -> None:
    targets = {}
    for loss_control in ("v1", "v2", "tolerant", "off"):
        gcc = _gcc(loss_control=loss_control)
        path = _Path(gcc)
        path.run(3, 1_000_000)
        for _ in range(30):
            path.run(1, max(gcc.target().bitrate_bps, 50_000), lost_every=2)
        targets[loss_control] = gcc.target().bitrate_bps
    assert targets["v1"] <= 60_000
    assert targets["v2"] <= 100_000
    assert targets["tolerant"] >= 350_000
    assert targets["off"] >= 350_000


def test_loss_with_a_full_queue_lowers_tolerant_too() -> None:
    gcc = _gcc()
    path = _Path(gcc)
    path.run(5, 300_000)
    before_bps = gcc.target().bitrate_bps
    path.run(4, 300_000, queue_ms=200, lost_every=3)
    assert gcc.target().bitrate_bps < 0.8 * before_bps


def test_silence_while_sending_backs_off_and_silence_while_idle_does_not() -> None:
    busy, idle = _gcc(), _gcc()
    for gcc in (busy, idle):
        _Path(gcc).run(3, 1_000_000)
    before_bps = idle.target().bitrate_bps
    for at_ms in range(3_200, 12_000, 20):
        busy.on_packet_sent(PacketSent(100_000 + at_ms, at_ms * MS, 1_000))
        for gcc in (busy, idle):
            gcc.handle_timer(at_ms * MS)
    assert idle.target().bitrate_bps == before_bps
    assert busy.target().bitrate_bps < 0.5 * before_bps


def test_new_route_starts_over_no_higher_than_at_first() -> None:
    gcc = _gcc()
    _Path(gcc).run(3, 1_000_000)
    assert gcc.target().bitrate_bps > 300_000
    gcc.on_route_change(4 * S)
    assert gcc.target().bitrate_bps == 300_000
    assert gcc.rtt_us() == 200 * MS
    assert len(gcc.probes_to_send(4 * S)) == 2
    gcc.on_feedback(Feedback(((0, 1), (1, 2))), 5 * S)  # about packets of the old route
    assert gcc.target().bitrate_bps == 300_000


def test_padding_is_no_sign_of_demand() -> None:
    gcc = _gcc()
    for at_ms in range(0, 3_000, 10):
        gcc.on_packet_sent(PacketSent(2 * at_ms, at_ms * MS, 375, padding=True))
        gcc.on_packet_sent(PacketSent(2 * at_ms + 1, at_ms * MS, 20))
    assert gcc.in_alr
