"""Frames and logs that the tests of the demo share."""

from __future__ import annotations

import numpy as np

from grace_codec.types import Planes
from grace_lab.log.schema import SessionLog


def frame(value: int, size: tuple[int, int] = (64, 64)) -> Planes:
    """A frame whose luma is `value` everywhere, without colour."""
    width, height = size
    planes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    y, u, v = (np.full(shape, 128, np.uint8) for shape in planes)
    y[:] = value
    return y, u, v


def call_log(lost: tuple[int, ...] = ()) -> SessionLog:
    """Two seconds at 12.5 fps. Every frame but those `lost` is shown after 150 ms with an SSIM of 20 dB."""
    log = SessionLog()
    names = {"scheme": "stub", "video": "v", "trace": "t", "cc": "gcc", "loss_control": "v2"}
    log.emit(0, "session_started", **names, fps=12.5, width=320, height=180, seed=1, owd_ms=100, queue_packets=25)
    for frame_id in range(25):
        at_us = frame_id * 80_000
        log.emit(at_us, "frame_captured", frame_id=frame_id, captured_us=at_us)
        packet = {"seq": frame_id, "frame_id": frame_id, "index": 0, "bytes": 1000}
        log.emit(at_us, "packet_sent", **packet, kind="media")
        if frame_id not in lost:
            shown = {"captured_us": at_us, "delay_us": 150_000, "ssim": 0.99, "psnr": 40.0}
            log.emit(at_us + 150_000, "frame_rendered", frame_id=frame_id, **shown)
    return log
