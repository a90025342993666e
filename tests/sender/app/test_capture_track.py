"""Laws of the captured track: every frame is told once, and with an RTP timestamp only where it was sent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")

from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from grace_sender.app.capture import Capture, Feed
from grace_sender.app.connection import CaptureTrack


class Captures:
    """A feed of `count` frames that waits for nothing."""

    def __init__(self, count: int) -> None:
        self._ids = iter(range(count))

    async def next(self) -> Capture | None:
        frame_id = next(self._ids, None)
        return None if frame_id is None else Capture(frame_id, 1_000 * frame_id, frame_id, VideoFrame(16, 16))


def track_of(count: int) -> tuple[CaptureTrack, list[tuple[int, int | None]]]:
    told: list[tuple[int, int | None]] = []
    feed = cast(Feed, Captures(count))
    return CaptureTrack(feed, lambda capture, timestamp: told.append((capture.frame_id, timestamp))), told


def sent(timestamp: int) -> Any:
    """What an RTCRtpSender of aiortc shows after a packet of this timestamp."""
    return SimpleNamespace(_RTCRtpSender__rtp_timestamp=timestamp)


async def test_a_frame_is_told_with_the_timestamp_it_was_sent_with() -> None:
    track, told = track_of(2)
    track.plain_sender = sent(0)
    for timestamp in (3_000, 6_000):
        await track.recv()
        track.plain_sender = sent(timestamp)
    track.stop()
    assert told == [(0, 3_000), (1, 6_000)]


async def test_a_file_waits_for_the_codec() -> None:
    ready = asyncio.Event()
    track = CaptureTrack(cast(Feed, Captures(1)), lambda capture, timestamp: None, ready)
    receiving = asyncio.ensure_future(track.recv())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not receiving.done()
    ready.set()
    assert (await receiving).width == 16


async def test_a_frame_that_the_end_of_the_call_overtook_has_no_timestamp_of_another() -> None:
    track, told = track_of(2)
    track.plain_sender = sent(0)
    await track.recv()
    track.plain_sender = sent(3_000)
    await track.recv()
    track.stop()  # while the second frame is still in the encoder
    assert told == [(0, 3_000), (1, None)]


async def test_a_frame_whose_timestamp_nobody_knows_is_told_at_once() -> None:
    track, told = track_of(1)
    await track.recv()
    assert told == [(0, None)]
    with pytest.raises(MediaStreamError):
        await track.recv()
    assert track.ended_itself
