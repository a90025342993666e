"""Counts what a live receiver did, for `getStats`. Pure: events in, stats out."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from grace_codec.types import Decoded
from grace_receiver.events import DecodeWanted, FrameDecoded, FrameLost, FrameReady, KeyFrameRequested, ReceiverEvent
from grace_transport.aiortc_plugin.stats import ReceiverStats

FREEZE_EXTRA_US = 150_000
RECENT_FRAMES = 30
SECOND_US = 1_000_000


class Freezes:
    """Freezes as the W3C defines them (webrtc-stats, freezeCount): two frames follow each other by at least three
    times the mean interval of the last 30, and by 150 ms more than it."""

    def __init__(self) -> None:
        self.count = 0
        self.total_us = 0
        self._last_us: int | None = None
        self._intervals_us: deque[int] = deque(maxlen=RECENT_FRAMES)

    def on_rendered(self, at_us: int) -> None:
        """A frame was shown then."""
        if self._last_us is not None:
            interval_us = at_us - self._last_us
            if self._intervals_us:
                mean_us = sum(self._intervals_us) / len(self._intervals_us)
                if interval_us >= max(3 * mean_us, mean_us + FREEZE_EXTRA_US):
                    self.count += 1
                    self.total_us += interval_us
            self._intervals_us.append(interval_us)
        self._last_us = at_us


class ReceiverCounters:
    """Follows one stream."""

    def __init__(self) -> None:
        self._stats = ReceiverStats()
        self._freezes = Freezes()
        self._rendered_us: deque[int] = deque()
        self._in_sync = True

    def stats(self, now_us: int) -> ReceiverStats:
        """Totals up to now; `framesPerSecond` is of the last second."""
        self._forget(now_us)
        return replace(
            self._stats,
            framesPerSecond=float(len(self._rendered_us)),
            freezeCount=self._freezes.count,
            totalFreezesDuration=round(self._freezes.total_us / 1e6, 6),
        )

    def on_codec(self, order: DecodeWanted, decoded: Decoded, patches: int, decode_us: int) -> None:
        """The codec answered an order after `decode_us`; the frame held `patches` I-patches."""
        now = self._stats
        shown = decoded.frame
        self._stats = replace(
            now,
            keyFramesDecoded=now.keyFramesDecoded + (order.received.key and shown is not None),
            totalDecodeTime=round(now.totalDecodeTime + decode_us / 1e6, 6),
            frameWidth=shown.width if shown is not None else now.frameWidth,
            frameHeight=shown.height if shown is not None else now.frameHeight,
            iPatches=now.iPatches + patches,
        )

    def on_event(self, event: ReceiverEvent) -> None:
        """An event of the session."""
        now = self._stats
        match event:
            case DecodeWanted():
                self._stats = replace(now, framesReceived=now.framesReceived + 1)
            case FrameDecoded():
                self._on_decoded(event)
            case FrameReady():
                self._freezes.on_rendered(event.at_us)
                self._rendered_us.append(event.at_us)
                self._forget(event.at_us)
                self._stats = replace(now, framesRendered=now.framesRendered + 1)
            case FrameLost():
                self._stats = replace(now, framesDropped=now.framesDropped + 1)
            case KeyFrameRequested():
                self._stats = replace(now, keyFramesRequested=now.keyFramesRequested + 1)

    def _on_decoded(self, event: FrameDecoded) -> None:
        now = self._stats
        self._stats = replace(
            now,
            framesDecoded=now.framesDecoded + 1,
            partialFrames=now.partialFrames + (event.received < event.total),
            resyncs=now.resyncs + (event.in_sync and not self._in_sync),
        )
        self._in_sync = event.in_sync and event.received == event.total

    def _forget(self, now_us: int) -> None:
        while self._rendered_us and self._rendered_us[0] <= now_us - SECOND_US:
            self._rendered_us.popleft()
