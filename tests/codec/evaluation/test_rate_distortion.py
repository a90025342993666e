"""Results of an evaluation: known curves give known rates, and a small clip goes through real packets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from grace_codec.evaluation import rate_distortion
from grace_codec.evaluation.chart import write_chart
from grace_codec.evaluation.loss_pattern import Bursts
from grace_codec.evaluation.rate_distortion import (
    FrameStats,
    Point,
    Request,
    at_rate,
    bd_rate,
    evaluate,
    loss_drop,
    lost_share,
    run,
    ssim_gain,
    summarize,
)
from grace_codec.grace.codec import GraceCodec
from grace_codec.media import ClipOptions, open_clip


def curve(scale: float, shift: float = 0) -> list[Point]:
    return [Point(scale * r, 0, 0, 10 + 3 * np.log2(r / 100) + shift, 0, 0, 0, 0) for r in (100, 200, 400, 800)]


def test_half_the_rate_at_equal_quality_is_minus_fifty_percent() -> None:
    assert bd_rate(curve(1), curve(0.5)) == pytest.approx(-50)
    assert bd_rate(curve(1), curve(2)) == pytest.approx(100)
    assert bd_rate(curve(1), curve(1)) == pytest.approx(0)


def test_curves_that_share_no_quality_have_no_rate() -> None:
    assert bd_rate(curve(1), curve(1, shift=50)) is None


def test_quality_between_points_is_interpolated_over_log_rate() -> None:
    assert at_rate(curve(1), 100 * 2**0.5) == pytest.approx(11.5)
    assert at_rate(curve(1), 1) == pytest.approx(10)


def test_no_gain_is_claimed_where_a_sweep_does_not_reach() -> None:
    assert ssim_gain(curve(1, shift=2), curve(1), 200) == 2
    assert ssim_gain(curve(1), curve(1), 90) is None
    assert ssim_gain(curve(1), curve(4), 300) is None


def test_overhead_is_counted_per_packet() -> None:
    stats = [FrameStats(1000, 2, 10, 30), FrameStats(500, 1, 12, 32)]
    assert summarize(stats, 25, 100, 0).kbps == pytest.approx(150)
    assert summarize(stats, 25, 100, 60).kbps == pytest.approx(150 + 90 * 8 * 25 / 1000)
    assert summarize(stats, 25, 100, 0).ssim_db == 11


def test_the_drop_is_the_mean_over_burst_and_three_frames_after() -> None:
    clean = [FrameStats(1, 1, 20, 40)] * 20
    lossy = list(clean)
    lossy[7] = FrameStats(1, 1, 14, 40)
    assert loss_drop(clean, lossy, Bursts(0.5)) == pytest.approx(6 / 8)


def test_share_that_was_really_lost_counts_the_frames_in_bursts_alone() -> None:
    stats = [FrameStats(1, 4, 20, 40), FrameStats(1, 4, 20, 40, lost=3, in_burst=True)]
    stats += [FrameStats(1, 1, 20, 40, in_burst=True)]
    assert lost_share(stats) == pytest.approx(3 / 5)
    assert lost_share(stats[:1]) == 0


def test_a_frame_that_loses_everything_shows_the_one_before_and_the_call_goes_on() -> None:
    with open_clip("builtin:talk", ClipOptions(size=(128, 64), fps=25.0)) as clip:
        frames = list(clip.play(10))
    bursts = Bursts(0.99, frames=2, first=3)
    clean = run(lambda: GraceCodec.load("grace-lite"), frames, 100_000, 25.0, Bursts(0.0, 2, first=3))
    stats = run(lambda: GraceCodec.load("grace-lite"), frames, 100_000, 25.0, bursts)
    assert [s.lost == s.packets for s in stats] == [bursts.hits(i) for i in range(10)]
    assert stats[4].ssim_db < clean[4].ssim_db
    assert stats[5].ssim_db > stats[4].ssim_db


def test_a_clip_is_measured_with_loss_and_against_a_classical_codec(tmp_path: Path) -> None:
    with open_clip("builtin:talk", ClipOptions(size=(192, 112), fps=25.0)) as clip:
        frames = list(clip.play(12))
    request = Request((60_000, 180_000), (0.5,), ("h264",))
    result = evaluate(lambda: GraceCodec.load("grace-lite"), frames, 25.0, request, lambda text: None)
    runs = {(r.bitrate_bps, r.loss): r for r in result.runs}
    assert runs[180_000, 0.0].point.ssim_db > runs[60_000, 0.0].point.ssim_db
    assert runs[180_000, 0.5].point.ssim_db < runs[180_000, 0.0].point.ssim_db
    assert runs[60_000, 0.0].point.p_kbps <= 60 * 1.05
    assert 0 < runs[180_000, 0.5].lost_share < 1
    assert runs[180_000, 0.0].lost_share == 0
    assert len(result.against["h264"].ssim_gain_db_at_equal_bytes) == 2
    assert len(json.loads(json.dumps(result.as_json()))["grace"]) == 4
    for name in ("chart.png", "chart.html"):
        write_chart(tmp_path / name, {"talk": result})
        assert (tmp_path / name).stat().st_size > 1000


def test_at_one_quality_throughout_finer_levels_take_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_distortion, "LEVELS", (20, 60))
    with open_clip("builtin:talk", ClipOptions(size=(128, 64), fps=25.0)) as clip:
        frames = list(clip.play(4))

    def at_level(level: int) -> GraceCodec:
        codec = GraceCodec.load("grace-lite")
        codec.fix_level(level)
        return codec

    request = Request((100_000,), (), ("h264",))
    result = rate_distortion.evaluate_levels(at_level, frames, 25.0, request, lambda text: None)
    coarse, fine = result.runs
    assert (coarse.level, fine.level) == (20, 60)
    assert coarse.point.kbps < fine.point.kbps
    assert coarse.point.ssim_db < fine.point.ssim_db
    assert len(result.against["h264"].ssim_gain_db_at_equal_bytes) == 1
