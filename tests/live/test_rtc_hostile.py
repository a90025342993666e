"""Laws against what a peer may send once it has our keys: no byte of it ends a stream, a task or the call."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")
pytest.importorskip("openvino", reason="the codec extra is not installed")

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from grace_transport import aiortc_plugin as rtc
from grace_transport.types import FrameReport, Nack, Pli
from grace_transport.wire.feedback import build_feedback
from grace_transport.wire.rtcp import PSFB, RTPFB, build_rtcp

from .rtc_calls import LOOPS, Call, MovingTrack, Observed, call_of, run_on


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def seen() -> Iterator[Observed]:
    observed = Observed()
    rtc.install(rtc.RtcOptions(scheme="stub", adapt=False, observer=observed, max_bps=800_000, max_fps=60))
    yield observed
    rtc.uninstall()


def garbage(generator: random.Random, ssrc: int) -> Iterator[bytes]:
    """RTP of the stream with every kind of damage behind a good header, and beside it."""
    head = struct.pack("!BBHII", 0x80, 103, 1, 2, ssrc)
    for first in (0x80, 0x90, 0xA0, 0xBF, 0x8F, 0x40):
        yield bytes((first,)) + head[1:] + generator.randbytes(generator.randrange(64))
    for size in range(14):
        yield head[:size]
    for _ in range(200):
        yield head[:2] + generator.randbytes(generator.randrange(2, 80))
        yield head + bytes((0x10,)) + generator.randbytes(generator.randrange(40))
    yield struct.pack("!BBHII", 0x80, 103, 1, 2, ssrc ^ 1) + bytes(40)  # another stream's SSRC


def feedback(generator: random.Random, ssrc: int) -> Iterator[bytes]:
    for media in (ssrc, ssrc ^ 1, 0):
        header = struct.pack("!II", 1, media)
        for packet_type, form in ((RTPFB, 15), (PSFB, 15), (RTPFB, 1), (PSFB, 1)):
            for _ in range(40):
                yield build_rtcp(packet_type, form, header + generator.randbytes(4 * generator.randrange(12)))
        for _ in range(40):
            yield build_rtcp(PSFB, 15, header + b"GRCE" + generator.randbytes(generator.randrange(40)))
    for _ in range(100):
        yield bytes((0x80 | generator.randrange(32), generator.randrange(192, 224))) + generator.randbytes(18)
    for items in ([FrameReport(9999, 7, 3, 5)], [Pli(50_000)], [Nack(40_000, 255)]):
        yield from build_feedback(items, 1, ssrc)
        yield from build_feedback(items, 1, ssrc ^ 1)


async def pictures_go_on(call: Call) -> None:
    await call.shown(5)


def test_rtp_of_any_bytes_does_nothing(loop: str, seen: Observed) -> None:
    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(3)
            transport = call.b.getReceivers()[0].transport
            for data in garbage(random.Random(1), call.a.getSenders()[0]._ssrc):
                await transport._handle_rtp_data(data, arrival_time_ms=0)
            await pictures_go_on(call)
        assert len(seen.of("receiver", "DatagramRejected")) > 200
        assert not seen.of("receiver", "WorkFailed")

    run_on(loop, main())


def test_feedback_of_any_bytes_does_nothing(loop: str, seen: Observed) -> None:
    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(3)
            sender = call.a.getSenders()[0]
            for data in feedback(random.Random(2), sender._ssrc):
                await sender.transport._handle_rtcp_data(data)
            await pictures_go_on(call)
        rejected = [event.reason for event in seen.of("sender", "DatagramRejected")]
        assert any("feedback about stream" in reason for reason in rejected)
        assert not seen.of("sender", "WorkFailed")

    run_on(loop, main())


def test_offer_with_traps_is_a_call_like_any_other(loop: str, seen: Observed) -> None:
    """A second GRACE entry, and retransmission for both: packets of neither may come to aiortc's decoder."""
    traps = "a=rtpmap:110 GRACE/90000\r\na=fmtp:110 {}\r\na=rtpmap:111 rtx/90000\r\na=fmtp:111 apt=103\r\n"

    async def main() -> None:
        connections = RTCPeerConnection(), RTCPeerConnection()
        connections[0].addTrack(MovingTrack())
        await connections[0].setLocalDescription(await connections[0].createOffer())
        text = connections[0].localDescription.sdp
        parameters = text.partition("a=fmtp:103 ")[2].partition("\r\n")[0]
        text = text.replace(" 103 97", " 103 110 111 97")
        text = text.replace("a=rtpmap:97", traps.format(parameters) + "a=rtpmap:97")
        await connections[1].setRemoteDescription(RTCSessionDescription(text, "offer"))
        await connections[1].setLocalDescription(await connections[1].createAnswer())
        await connections[0].setRemoteDescription(connections[1].localDescription)
        receiver = connections[1].getReceivers()[0]
        await receiver.track.recv()
        for payload_type in (110, 111, 103):
            for seq in range(3):
                data = struct.pack("!BBHII", 0x80, payload_type, seq, seq * 3000, 99) + bytes(30)
                await receiver.transport._handle_rtp_data(data, arrival_time_ms=0)
        await receiver.track.recv()
        await connections[0].close()
        while receiver.track.readyState == "live":
            with suppress(MediaStreamError):
                await receiver.track.recv()
        await connections[1].close()

    run_on(loop, main())


def test_goodbye_ends_the_track_and_nothing_comes_after(loop: str, seen: Observed) -> None:
    from aiortc.rtp import RtcpByePacket

    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(3)
            bye = bytes(RtcpByePacket(sources=[call.a.getSenders()[0]._ssrc]))
            await call.b.getReceivers()[0].transport._handle_rtcp_data(bye)
            await call.ended.wait()

    run_on(loop, main())


def test_application_that_fetches_no_picture_holds_a_few(loop: str, seen: Observed) -> None:
    async def main() -> None:
        async with call_of(MovingTrack(fps=50)) as call:
            await call.shown(1)
            call.tasks.pop().cancel()
            track = call.b.getReceivers()[0].track
            while (await call.stats(call.b, "inbound-rtp")).framesDropped < 3:
                await call.a.getSenders()[0].track.recv()
            assert track._queue.qsize() <= 8  # type: ignore[attr-defined]

    run_on(loop, main())
