"""Visual quality over all rendered frames of a call."""

from __future__ import annotations

from grace_codec.evaluation.quality import ssim_to_db
from grace_lab.log.schema import SessionLog
from grace_lab.metrics.frames import frame_outcomes


def ssim_db(log: SessionLog) -> float | None:
    """Mean over the rendered frames of each frame's SSIM in dB, -10 log10(1 - SSIM) (paper 5.1, Metrics).

    Decibels are averaged, not indexes: the paper speaks of a frame's SSIM in dB, "across all rendered frames"."""
    return _mean([ssim_to_db(value) for value in _rendered_ssim(log)])


def ssim_of_mean_db(log: SessionLog) -> float | None:
    """The mean SSIM index of the rendered frames, then in dB: a few bad frames weigh far more than in `ssim_db`."""
    mean = _mean(_rendered_ssim(log))
    return None if mean is None else ssim_to_db(mean)


def psnr_db(log: SessionLog) -> float | None:
    """Mean luma PSNR of the rendered frames."""
    return _mean([f.psnr for f in frame_outcomes(log) if f.in_time and f.psnr is not None])


def _rendered_ssim(log: SessionLog) -> list[float]:
    return [f.ssim for f in frame_outcomes(log) if f.in_time and f.ssim is not None]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
