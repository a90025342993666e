"""Sal-CC: frames that drain in 100 ms."""

from __future__ import annotations

import pytest

from grace_transport.congestion.salsify import Salsify
from grace_transport.types import Feedback, PacketSent

MS, S = 1_000, 1_000_000


def _salsify() -> Salsify:
    return Salsify(start_bps=960_000, min_bps=30_000, max_bps=8_000_000)


def _frames(salsify: Salsify, count: int, packets: int, spacing_ms: float, *, report: bool = True) -> None:
    """Frames 40 ms apart whose packets leave together and arrive `spacing_ms` apart."""
    seq = 0
    for frame in range(count):
        sent_us = frame * 40 * MS
        arrivals: list[tuple[int, int | None]] = []
        for i in range(packets):
            salsify.on_packet_sent(PacketSent(seq, sent_us, 1_200))
            arrivals.append((seq, sent_us + 50 * MS + int(i * spacing_ms * MS)))
            seq += 1
        if report:
            salsify.on_feedback(Feedback(tuple(arrivals)), sent_us + 150 * MS)


def test_spacing_of_arrivals_gives_the_rate() -> None:
    """Every 4 ms a packet of 1,200 bytes: 2.4 Mbps; the pauses between frames count as none at all."""
    salsify = _salsify()
    _frames(salsify, 50, 10, 4.0)
    assert salsify.target().bitrate_bps == pytest.approx(2_400_000, rel=0.15)


def test_pause_of_the_sender_is_not_the_networks() -> None:
    salsify = _salsify()
    _frames(salsify, 50, 1, 0.0)  # one packet per frame, arriving as it was sent
    assert salsify.target().bitrate_bps == 8_000_000


def test_frame_shrinks_by_what_is_in_flight() -> None:
    salsify = _salsify()
    _frames(salsify, 50, 10, 4.0)
    free = salsify.frame_bytes(5, 3 * S)
    for seq in range(500, 510):
        salsify.on_packet_sent(PacketSent(seq, 3 * S, 1_200))
    assert free - salsify.frame_bytes(5, 3 * S) == pytest.approx(10 * 1_200, abs=2)


def test_silence_brings_the_frame_down_to_the_minimum() -> None:
    salsify = _salsify()
    _frames(salsify, 50, 10, 4.0)
    for seq in range(500, 700):
        salsify.on_packet_sent(PacketSent(seq, 3 * S, 1_200))
    assert salsify.frame_bytes(30, 3 * S) == 30_000 // 8 // 30


def test_frames_leave_much_faster_than_the_link_drains() -> None:
    target = _salsify().target()
    assert target.pacing_bps >= 10 * target.bitrate_bps
