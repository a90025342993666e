"""Laws of the stats of a live receiver."""

import numpy as np

from grace_codec.types import Decoded, Frame, ReceivedFrame
from grace_receiver.events import DecodeWanted, FrameDecoded, FrameLost, FrameReady, KeyFrameRequested, LossReason
from grace_receiver.live.stats import Freezes, ReceiverCounters

GREY = Frame(0, 0, *(np.zeros((0, 0), np.uint8) for _ in range(3)))


def freezes(*times_ms: int) -> tuple[int, int]:
    found = Freezes()
    for at_ms in times_ms:
        found.on_rendered(at_ms * 1000)
    return found.count, found.total_us


def test_freeze_is_three_mean_intervals_and_150_ms_more_than_one() -> None:
    assert freezes(0, 100, 200, 300) == (0, 0)
    assert freezes(0, 100, 200, 499) == (0, 0)  # 299 ms: less than three intervals
    assert freezes(0, 100, 200, 500) == (1, 300_000)
    assert freezes(0, 40, 80, 269) == (0, 0)  # 189 ms: more than three intervals, but less than 40 + 150
    assert freezes(0, 40, 80, 270) == (1, 190_000)


def test_first_interval_is_no_freeze() -> None:
    assert freezes(0) == (0, 0)
    assert freezes(0, 5000) == (0, 0)


def decoded(frame_id: int, received: int, total: int, in_sync: bool) -> FrameDecoded:
    return FrameDecoded(0, frame_id, received, total, in_sync, 1, 9000)


def test_partial_frames_and_returns_to_sync_are_counted() -> None:
    counters = ReceiverCounters()
    for event in (
        decoded(0, 4, 4, True),
        decoded(1, 3, 4, True),  # partial: from here on the states differ
        decoded(2, 4, 4, False),
        decoded(3, 4, 4, True),  # and are the same again
        decoded(4, 4, 4, True),
    ):
        counters.on_event(event)
    stats = counters.stats(0)
    assert (stats.framesDecoded, stats.partialFrames, stats.resyncs) == (5, 1, 1)


def test_every_frame_is_received_and_then_shown_or_dropped() -> None:
    counters = ReceiverCounters()
    order = DecodeWanted(0, ReceivedFrame(0, True, 1, {0: b"x"}), 0, 0, ())
    counters.on_event(order)
    counters.on_codec(order, Decoded(None, None, frozenset()), 2, 30_000)
    counters.on_event(FrameReady(1_000_000, 0, 0, GREY))
    counters.on_event(FrameReady(1_500_000, 1, 0, GREY))
    counters.on_event(FrameLost(0, 2, LossReason.NOTHING_TO_DECODE))
    counters.on_event(KeyFrameRequested(0, 1))
    stats = counters.stats(2_000_000)
    assert (stats.framesReceived, stats.framesRendered, stats.framesDropped) == (1, 2, 1)
    assert (stats.keyFramesRequested, stats.iPatches, stats.totalDecodeTime) == (1, 2, 0.03)
    assert stats.framesPerSecond == 1.0  # of the last second
