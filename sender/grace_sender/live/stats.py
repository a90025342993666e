"""Counts what a live sender did, for `getStats`. Pure: events in, stats out."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from grace_sender.events import (
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    PacketKind,
    PacketLeft,
    RateChanged,
    Resynced,
    SenderEvent,
)
from grace_transport.aiortc_plugin.stats import SenderStats

SECOND_US = 1_000_000


class SenderCounters:
    """Follows one stream."""

    def __init__(self, start_bps: int) -> None:
        self._stats = SenderStats(targetBitrate=start_bps, availableOutgoingBitrate=start_bps)
        self._newest_sent = -1
        self._encoded_us: deque[int] = deque()

    def stats(self, now_us: int) -> SenderStats:
        """Totals up to now; `framesPerSecond` is of the last second."""
        self._forget(now_us)
        return replace(self._stats, framesPerSecond=float(len(self._encoded_us)))

    @property
    def target_bps(self) -> int:
        """The newest rate of congestion control."""
        return self._stats.targetBitrate

    def on_dropped(self) -> None:
        """A frame of the track was not admitted: there is no codec yet, or more come than are sent."""
        self._stats = replace(self._stats, framesDropped=self._stats.framesDropped + 1)

    def on_coded(self, size: tuple[int, int], patches: int, encode_us: int) -> None:
        """The codec coded a frame of `size` with `patches` I-patches in `encode_us`."""
        now = self._stats
        self._stats = replace(
            now,
            frameWidth=size[0],
            frameHeight=size[1],
            iPatches=now.iPatches + patches,
            totalEncodeTime=round(now.totalEncodeTime + encode_us / 1e6, 6),
        )

    def on_event(self, event: SenderEvent) -> None:
        """An event of the session."""
        now = self._stats
        match event:
            case FrameEncoded():
                keys = now.keyFramesEncoded + event.key
                self._encoded_us.append(event.at_us)
                self._forget(event.at_us)
                self._stats = replace(now, framesEncoded=now.framesEncoded + 1, keyFramesEncoded=keys)
            case FrameSkipped():
                self._stats = replace(now, framesDropped=now.framesDropped + 1)
            case PacketLeft():
                self._on_packet(event)
            case RateChanged():
                rtt_s = round(event.rtt_us / 1e6, 6)
                rate = event.bitrate_bps
                self._stats = replace(now, targetBitrate=rate, availableOutgoingBitrate=rate, roundTripTime=rtt_s)
            case Resynced():
                self._stats = replace(now, resyncs=now.resyncs + 1)
            case KeyFrameForced():
                self._stats = replace(now, keyFramesForced=now.keyFramesForced + 1)

    def _forget(self, now_us: int) -> None:
        while self._encoded_us and self._encoded_us[0] <= now_us - SECOND_US:
            self._encoded_us.popleft()

    def _on_packet(self, event: PacketLeft) -> None:
        now = self._stats
        if event.kind is PacketKind.RETRANSMISSION:
            packets, size = now.retransmittedPacketsSent + 1, now.retransmittedBytesSent + event.bytes
            self._stats = replace(now, retransmittedPacketsSent=packets, retransmittedBytesSent=size)
        elif event.kind is PacketKind.MEDIA and event.frame_id > self._newest_sent:  # its first packet
            self._newest_sent = event.frame_id
            self._stats = replace(now, framesSent=now.framesSent + 1)
