"""Measurements of codecs: quality metrics, rate-distortion curves, losses, speed. Modules are imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grace_codec._lazy import lazy_exports

if TYPE_CHECKING:
    from grace_codec.evaluation.bench import CodecSpeed, measure_codec
    from grace_codec.evaluation.chart import write_chart
    from grace_codec.evaluation.loss_pattern import Bursts
    from grace_codec.evaluation.quality import Complexity, complexity, psnr_db, ssim, ssim_db, ssim_to_db
    from grace_codec.evaluation.rate_distortion import Evaluation, Point, Request, bd_rate, evaluate, evaluate_levels

__all__ = [
    "Bursts",
    "CodecSpeed",
    "Complexity",
    "Evaluation",
    "Point",
    "Request",
    "bd_rate",
    "complexity",
    "evaluate",
    "evaluate_levels",
    "measure_codec",
    "psnr_db",
    "ssim",
    "ssim_db",
    "ssim_to_db",
    "write_chart",
]
_EXPORTS: Final = {
    "bench": (
        "CodecSpeed",
        "measure_codec",
    ),
    "chart": ("write_chart",),
    "loss_pattern": ("Bursts",),
    "quality": (
        "Complexity",
        "complexity",
        "psnr_db",
        "ssim",
        "ssim_db",
        "ssim_to_db",
    ),
    "rate_distortion": (
        "Evaluation",
        "Point",
        "Request",
        "bd_rate",
        "evaluate",
        "evaluate_levels",
    ),
}

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _EXPORTS)
