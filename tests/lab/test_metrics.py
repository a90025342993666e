"""Laws of the metrics, each on a log small enough to check by hand. 10 fps: one frame every 100 ms."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grace_lab.log.schema import SessionLog
from grace_lab.metrics import METRICS, measure
from grace_lab.metrics.stalls import stalls


def call(delays_ms: Sequence[int | None], ssim: list[float] | None = None) -> SessionLog:
    """A call of len(delays_ms) frames; None: never shown."""
    log = SessionLog()
    facts = {"scheme": "stub", "video": "v", "trace": "t", "cc": "gcc", "loss_control": "v1"}
    log.emit(0, "session_started", **facts, fps=10, width=64, height=64, seed=1, owd_ms=50, queue_packets=25)
    for frame_id, delay_ms in enumerate(delays_ms):
        captured_us = frame_id * 100_000
        log.emit(captured_us, "frame_captured", frame_id=frame_id, captured_us=captured_us)
        if delay_ms is not None:
            value = ssim[frame_id] if ssim else None
            facts_shown = {"captured_us": captured_us, "delay_us": delay_ms * 1000, "ssim": value, "psnr": None}
            log.emit(captured_us + delay_ms * 1000, "frame_rendered", frame_id=frame_id, **facts_shown)
    log.emit(len(delays_ms) * 100_000, "session_ended")
    return log


def metric(name: str, log: SessionLog) -> float | None:
    return METRICS[name].function(log)


def test_ssim_is_averaged_in_decibels() -> None:
    log = call([50, 50], ssim=[0.9, 0.99])
    assert metric("ssim_db", log) == pytest.approx(15.0)
    assert metric("ssim_of_mean_db", log) == pytest.approx(12.596, abs=1e-3)


def test_equal_pictures_count_as_sixty_decibels() -> None:
    assert metric("ssim_db", call([50], ssim=[1.0])) == 60.0


def test_late_frames_do_not_count_as_rendered() -> None:
    log = call([50, 400, 401, None], ssim=[0.9, 0.9, 0.99, 0.0])
    assert metric("non_rendered_ratio", log) == 0.5
    assert metric("frames_rendered", log) == 2
    assert metric("ssim_db", log) == pytest.approx(10.0)


def test_delay_percentiles_include_late_frames() -> None:
    log = call([100] * 97 + [200, 300, 900])
    assert metric("p50_delay_ms", log) == 100.0
    assert metric("p98_delay_ms", log) == 200.0
    assert metric("p98_delay_ms", call([100, 900])) == 900.0


def test_even_frames_do_not_stall() -> None:
    log = call([50] * 10)
    assert stalls(log) == []
    assert metric("stall_ratio", log) == 0.0
    assert metric("stalls_per_s", log) == 0.0


def test_gap_of_exactly_200_ms_is_no_stall() -> None:
    assert stalls(call([50, None, 50])) == []


def test_whole_gap_is_stall_time() -> None:
    log = call([50, None, None, 50, 50, 50, 50, 50, 50, 50])
    assert stalls(log) == [(50_000, 350_000)]
    assert metric("stall_ratio", log) == pytest.approx(0.3)
    assert metric("stalls_per_s", log) == pytest.approx(1.0)


def test_late_frame_does_not_end_a_stall() -> None:
    assert stalls(call([50, 450, None, 50])) == [(50_000, 350_000)]


def test_call_that_freezes_stalls_until_its_end() -> None:
    assert stalls(call([50, 50, None, None, None])) == [(150_000, 550_000)]


def test_slow_start_stalls_after_400_ms() -> None:
    log = call([None, None, None, None, None, None, None, 50, 50, 50])
    assert stalls(log) == [(400_000, 750_000)]
    assert metric("startup_ms", log) == 750.0


def test_slow_first_frame_does_not_make_the_end_a_stall() -> None:
    assert stalls(call([450, 380, 320, 250, 180, 110, 50, 50])) == []


def test_call_without_any_picture_is_one_stall() -> None:
    log = call([None] * 10)
    assert metric("stall_ratio", log) == 1.0
    assert metric("ssim_db", log) is None
    assert metric("p98_delay_ms", log) is None


def test_bitrate_counts_retransmissions_and_padding_but_no_feedback() -> None:
    log = call([50] * 10)
    for seq, kind in enumerate(["media", "retransmission", "padding", "feedback"]):
        log.emit(seq, "packet_sent", seq=seq, frame_id=0, index=0, bytes=1000, kind=kind)
    log.emit(9, "packet_dropped", seq=0, reason="queue full", kind="media")
    log.emit(9, "packet_dropped", seq=3, reason="queue full", kind="feedback")
    assert metric("bitrate_bps", log) == pytest.approx(24_000)
    assert metric("retransmission_ratio", log) == 0.5
    assert metric("packet_loss_ratio", log) == pytest.approx(1 / 3)


def test_frame_loss_counts_frames_that_never_decoded_in_full() -> None:
    log = call([50, 50, None])
    for frame_id in range(3):
        encoded = {"key": False, "bytes": 4000, "packets": 4, "encode_us": 1, "parent": 0}
        log.emit(0, "frame_encoded", frame_id=frame_id, **encoded)
    log.emit(1, "frame_decoded", frame_id=0, received=4, total=4, in_sync=True, decode_us=1)
    log.emit(2, "frame_decoded", frame_id=1, received=1, total=4, in_sync=False, decode_us=1)
    assert metric("frame_loss_ratio", log) == pytest.approx((0 + 0.75 + 1) / 3)
    assert metric("frames_partial", log) == 1


def test_empty_log_has_no_figures() -> None:
    figures = measure(SessionLog())
    assert set(figures) == set(METRICS)
    assert figures["stall_ratio"] is None
    assert figures["frames_captured"] == 0


def test_frame_shown_twice_counts_once() -> None:
    log = call([50, 50])
    log.emit(900_000, "frame_rendered", frame_id=0, captured_us=0, delay_us=900_000, ssim=0.1, psnr=None)
    assert metric("p98_delay_ms", log) == 50.0
