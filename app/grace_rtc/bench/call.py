"""Measures how fast a whole call with a free codec runs in virtual time, on the clock of the caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Frame
from grace_lab.call import CallConfig, Lab
from grace_lab.log.schema import SessionLog
from grace_netsim.link.link import LinkConfig
from grace_transport.congestion import find_controller

NO_PIXELS = np.zeros((0, 0), np.uint8)
FACTS: dict[str, int | float | str] = {
    "scheme": "stub", "video": "none", "trace": "constant", "fps": 25.0, "width": 0, "height": 0, "seed": 1,
    "cc": "gcc", "loss_control": "tolerant", "owd_ms": 100.0, "queue_packets": 25,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallSpeed:
    """`times_real_time`: simulated seconds per second of the clock."""

    simulated_s: float
    took_s: float
    times_real_time: float
    packets: int
    events: int


def measure_call(seconds: float, rate_bps: int, clock: Callable[[], float]) -> CallSpeed:
    """One call with sender, link, receiver, feedback and GCC, all packets real, over a constant-rate link."""
    config = CallConfig(
        fps=25,
        frames=round(25 * seconds),
        uplink=LinkConfig(rate_bps=rate_bps, delay_us=100_000, queue_packets=25),
        feedback=LinkConfig(delay_us=100_000, queue="infinite"),
        pixels=False,
        facts=FACTS,
    )
    controller = find_controller("gcc")(start_bps=300_000, min_bps=50_000, max_bps=rate_bps)
    lab = Lab(config, _empty_frame, StubCodec(), StubCodec(), controller, SessionLog())
    started_s = clock()
    log = lab.run()
    took_s = clock() - started_s
    packets = sum(1 for _ in log.named("packet_sent"))
    return CallSpeed(seconds, round(took_s, 3), round(seconds / took_s, 1), packets, len(log))


def _empty_frame(frame_id: int) -> Frame:
    return Frame(frame_id, 0, NO_PIXELS, NO_PIXELS, NO_PIXELS)
