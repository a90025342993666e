"""The metrics of a call: pure functions of its log, one row each in METRICS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from grace_lab.log.schema import SessionLog
from grace_lab.metrics import capacity, delay, quality, stalls, traffic

__all__ = ["METRICS", "Metric", "measure"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A function of the log, its unit and its description. The function returns None where the log cannot tell.

    `better` says which way is good: "higher", "lower", or "" where neither is."""

    function: Callable[[SessionLog], float | None]
    unit: str
    description: str
    better: str = "lower"
    digits: int = 2


METRICS: Final[dict[str, Metric]] = {
    "ssim_db": Metric(quality.ssim_db, "dB", "SSIM in dB, mean over rendered frames", "higher"),
    "psnr_db": Metric(quality.psnr_db, "dB", "PSNR of luma, mean over rendered frames", "higher"),
    "p50_delay_ms": Metric(delay.p50_delay_ms, "ms", "Frame delay, median", digits=1),
    "p98_delay_ms": Metric(delay.p98_delay_ms, "ms", "Frame delay, 98th percentile", digits=1),
    "non_rendered_ratio": Metric(delay.non_rendered_ratio, "", "Frames never shown or later than 400 ms", digits=4),
    "stalls_per_s": Metric(stalls.stalls_per_s, "1/s", "Gaps over 200 ms between frames, per second", digits=3),
    "stall_ratio": Metric(stalls.stall_ratio, "", "Time in such gaps over video length", digits=4),
    "bitrate_bps": Metric(traffic.bitrate_bps, "bit/s", "Everything the sender sent, headers included", "", 0),
    "utilisation_ratio": Metric(capacity.utilisation, "", "Bits sent over bits that the link could carry", "higher", 4),
    "stall_beyond_outages_ratio": Metric(
        capacity.stall_beyond_outages_ratio, "", "Time in stalls that is no outage of the link, over length", digits=4
    ),
    "step_up_ms": Metric(capacity.step_up_ms, "ms", "From a step up of the capacity to 80 % of it, mean", digits=0),
    "ssim_of_mean_db": Metric(quality.ssim_of_mean_db, "dB", "Mean SSIM of rendered frames, in dB", "higher"),
    "startup_ms": Metric(delay.startup_ms, "ms", "First capture to first frame on the screen", digits=1),
    "packet_loss_ratio": Metric(traffic.packet_loss_ratio, "", "Packets that the network dropped", digits=4),
    "frame_loss_ratio": Metric(traffic.frame_loss_ratio, "", "Share of its packets that a frame lacked", digits=4),
    "retransmission_ratio": Metric(traffic.retransmission_ratio, "", "Bytes that were retransmitted", digits=4),
    "frames_captured": Metric(traffic.frames_captured, "", "Frames captured", "", 0),
    "frames_skipped": Metric(traffic.frames_skipped, "", "Frames that the sender did not encode", digits=0),
    "frames_rendered": Metric(traffic.frames_rendered, "", "Frames shown within 400 ms", "higher", 0),
    "frames_partial": Metric(traffic.frames_partial, "", "Frames decoded from a part of their packets", "", 0),
    "resyncs": Metric(traffic.resyncs, "", "References re-derived by the sender", "", 0),
}


def measure(log: SessionLog) -> dict[str, float | None]:
    """Every metric of METRICS for one call."""
    return {name: metric.function(log) for name, metric in METRICS.items()}
