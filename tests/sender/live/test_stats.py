"""Laws of the stats of a live sender."""

from grace_sender.events import (
    FrameEncoded,
    FrameSkipped,
    KeyFrameForced,
    KeyFrameReason,
    PacketKind,
    PacketLeft,
    RateChanged,
    Resynced,
    SenderEvent,
    SkipReason,
)
from grace_sender.live.stats import SenderCounters


def test_frames_are_sent_with_their_first_packet_and_retransmissions_are_counted_apart() -> None:
    counters = SenderCounters(300_000)
    events: tuple[SenderEvent, ...] = (
        FrameEncoded(0, 0, True, 900, 2, 0, 1, 9000),
        PacketLeft(0, 0, 0, 0, 500, PacketKind.MEDIA),
        PacketLeft(0, 1, 0, 1, 500, PacketKind.MEDIA),
        PacketLeft(0, 2, 0, 1, 500, PacketKind.RETRANSMISSION),
        PacketLeft(0, 3, -1, 0, 200, PacketKind.PADDING),
        FrameEncoded(0, 1, False, 400, 1, 1, 2, 9000),
        FrameSkipped(0, 2, SkipReason.SEND_QUEUE),
    )
    for event in events:
        counters.on_event(event)
    counters.on_dropped()
    counters.on_coded((320, 180), 1, 25_000)
    stats = counters.stats(999_999)
    assert (stats.framesEncoded, stats.keyFramesEncoded, stats.framesSent, stats.framesDropped) == (2, 1, 1, 2)
    assert (stats.retransmittedPacketsSent, stats.retransmittedBytesSent) == (1, 500)
    assert (stats.frameWidth, stats.frameHeight, stats.iPatches, stats.totalEncodeTime) == (320, 180, 1, 0.025)
    assert stats.framesPerSecond == 2.0  # of the last second
    assert counters.stats(1_000_000).framesPerSecond == 0.0


def test_rates_and_resyncs_are_the_sessions() -> None:
    counters = SenderCounters(300_000)
    assert counters.stats(0).availableOutgoingBitrate == 300_000
    counters.on_event(RateChanged(0, 450_000, 900_000, 31_000, "increase"))
    counters.on_event(Resynced(0, 9, 7, 1, 1))
    counters.on_event(KeyFrameForced(0, 9, KeyFrameReason.KEY_LOST))
    stats = counters.stats(0)
    assert (stats.targetBitrate, stats.availableOutgoingBitrate, stats.roundTripTime) == (450_000, 450_000, 0.031)
    assert (stats.resyncs, stats.keyFramesForced) == (1, 1)
