"""Laws of calls between aiortc's peer connections with the plug-in, on both event loops."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")
pytest.importorskip("openvino", reason="the codec extra is not installed")

from aiortc import AudioStreamTrack, MediaStreamTrack, RTCRtpSender

from grace_codec import schemes
from grace_codec.baselines.stub import StubCodec
from grace_codec.types import Budget, CodedFrame, Frame, Reference
from grace_receiver.references import DecoderReferences
from grace_sender.events import KeyFrameReason
from grace_sender.live.driver import live_identity
from grace_sender.references import EncoderReferences
from grace_transport import aiortc_plugin as rtc

from .rtc_calls import LOOPS, Call, MovingTrack, Observed, call_of, connect, losing, run_on, stats_of, until

POINT = "OperatingPointChanged"


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def seen() -> Observed:
    return Observed()


@pytest.fixture
def stub(seen: Observed) -> Iterator[rtc.RtcOptions]:
    """The plug-in with a codec that costs nothing."""
    options = rtc.RtcOptions(scheme="stub", adapt=False, observer=seen, start_bps=400_000, max_bps=800_000, max_fps=60)
    rtc.install(options)
    yield options
    rtc.uninstall()


def test_call_between_two_that_have_it_is_grace(loop: str, stub: rtc.RtcOptions, seen: Observed) -> None:
    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(10)
            assert call.codec(call.a) == call.codec(call.b) == "GRACE"
            times = [picture.pts or 0 for picture in call.pictures]
            assert times[0] == 0
            assert times == sorted(set(times))
            sent, got = await call.stats(call.a, "outbound-rtp"), await call.stats(call.b, "inbound-rtp")
            assert sent.packetsSent > 0
            assert sent.framesEncoded >= got.framesDecoded >= 10
            assert got.packetsReceived > 0
            assert sent.availableOutgoingBitrate >= 50_000
            await until(lambda: seen.counts("sender")["RateChanged"] > 0)  # feedback came back
        assert call.ended.is_set()
        assert not seen.of("sender", "WorkFailed") + seen.of("receiver", "WorkFailed")

    run_on(loop, main())


def test_pictures_come_whole_through_the_codec(loop: str, seen: Observed) -> None:
    async def main() -> None:
        async with call_of(MovingTrack((160, 96), fps=10)) as call:
            await call.shown(5)
            picture = call.pictures[-1].to_ndarray(format="gray")
            assert picture.shape == (96, 160)
            assert picture[8].astype(int)[-8:].mean() - picture[8].astype(int)[:8].mean() > 80  # the gradient
            assert picture[20:28].max() > 180  # the square

    rtc.install(rtc.RtcOptions(observer=seen, max_fps=10, adapt=False))
    try:
        run_on(loop, main())
    finally:
        rtc.uninstall()


@pytest.mark.parametrize("other", ["absent", "model", "bitstream"])
def test_peer_that_could_not_decode_gets_another_codec(loop: str, stub: rtc.RtcOptions, other: str) -> None:
    theirs = replace(live_identity("stub"), **({} if other == "absent" else {other: 99}))

    def change() -> None:
        if other == "absent":
            rtc.uninstall()
        else:
            rtc.install(replace(stub, identity=lambda scheme: theirs))

    async def main() -> None:
        async with call_of(MovingTrack(), before_answer=change, before_applying=lambda: rtc.install(stub)) as call:
            await call.shown(3)
            assert call.codec(call.a) == call.codec(call.b) == "VP8"

    run_on(loop, main())


def test_call_recovers_from_lost_packets(loop: str, stub: rtc.RtcOptions, seen: Observed) -> None:
    async def main() -> None:
        rtc.install(replace(stub, start_bps=800_000, controller="fixed"))
        async with call_of(MovingTrack(), spoil=losing(0.2)) as call:
            await until(lambda: len(seen.of("sender", "Resynced")) >= 2)
            await call.shown(20)
            got = await call.stats(call.b, "inbound-rtp")
            assert got.partialFrames > 0
            assert got.packetsLost > 0
            assert (await call.stats(call.a, "outbound-rtp")).resyncs >= 2

    run_on(loop, main())


def test_states_of_one_name_have_the_same_pixels_at_both_ends(monkeypatch: pytest.MonkeyPatch, seen: Observed) -> None:
    """Two threads and a lossy network between them, and yet every reference that both ends have is the same picture."""
    sent, got = dict[int, int](), dict[int, int]()

    def note(states: dict[int, int], keep: Any) -> Any:
        def noted(desk: Any, outcome: Any, lineage: int) -> None:
            states[lineage] = zlib.crc32(b"".join(plane.tobytes() for plane in outcome.reference.planes))
            keep(desk, outcome, lineage)

        return noted

    monkeypatch.setattr(EncoderReferences, "keep", note(sent, EncoderReferences.keep))
    monkeypatch.setattr(DecoderReferences, "keep", note(got, DecoderReferences.keep))

    async def main() -> None:
        async with call_of(MovingTrack((160, 96), fps=30), spoil=losing(0.2)):
            await until(lambda: len(seen.of("sender", "Resynced")) >= 2)
            await until(lambda: len(set(sent) & set(got)) >= 5)
        common = sent.keys() & got.keys()
        assert [name for name in common if sent[name] != got[name]] == []

    rtc.install(rtc.RtcOptions(observer=seen, adapt=False))
    try:
        run_on("asyncio", main())
    finally:
        rtc.uninstall()


@pytest.mark.parametrize("first", [AudioStreamTrack, MovingTrack], ids=["sound", "pictures"])
def test_streams_share_a_transport(loop: str, stub: rtc.RtcOptions, first: type[MediaStreamTrack]) -> None:
    async def main() -> None:
        async with call_of(first(), MovingTrack()) as call:
            await call.shown(5)
            await until(lambda: first is MovingTrack or len(call.sounds) >= 5)
            senders = call.a.getSenders()
            assert senders[0].transport is senders[1].transport
            for sender, receiver in zip(senders, call.b.getReceivers(), strict=True):
                inbound = await stats_of(receiver, "inbound-rtp")
                assert inbound.ssrc == sender._ssrc
                assert getattr(inbound, "framesDecoded", 1) > 0

    run_on(loop, main())


def test_another_negotiation_in_mid_call_leaves_the_stream_alone(loop: str, stub: rtc.RtcOptions) -> None:
    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(3)
            for one, other in ((call.a, call.b), (call.b, call.a)):
                await one.setLocalDescription(await one.createOffer())
                await other.setRemoteDescription(one.localDescription)
                await other.setLocalDescription(await other.createAnswer())
                await one.setRemoteDescription(other.localDescription)
                await call.shown(3)
            assert (await call.stats(call.b, "inbound-rtp")).keyFramesDecoded == 1

    run_on(loop, main())


def test_both_directions_at_once(loop: str, stub: rtc.RtcOptions) -> None:
    async def main() -> None:
        call = await connect(MovingTrack(), answering=[MovingTrack()])
        await call.shown(5)
        back = await call.stats(call.a, "inbound-rtp")
        forth = await call.stats(call.b, "inbound-rtp")
        assert forth.framesDecoded >= 5
        while back.framesDecoded < 5:
            await asyncio.sleep(0.01)
            back = await call.stats(call.a, "inbound-rtp")
        await call.a.close()
        await call.b.close()
        await asyncio.gather(*call.tasks)

    run_on(loop, main())


def test_a_whole_key_frame_carries_a_new_picture_size(loop: str, seen: Observed) -> None:
    async def main() -> None:
        async with call_of(MovingTrack((160, 96), fps=10)) as call:
            await call.shown(4)
            call.a.getSenders()[0].replaceTrack(MovingTrack((96, 128), fps=10))
            await until(lambda: (call.pictures[-1].width, call.pictures[-1].height) == (96, 128))
            await call.shown(3)
            assert call.pictures[0].width == 160
            call.a.getSenders()[0].replaceTrack(MovingTrack((161, 97), fps=10))
            await until(lambda: (call.pictures[-1].width, call.pictures[-1].height) == (160, 96))

    rtc.install(rtc.RtcOptions(observer=seen, max_fps=10, adapt=False))
    try:
        run_on(loop, main())
        assert not seen.of("sender", "WorkFailed") + seen.of("receiver", "WorkFailed")
        assert [event.reason for event in seen.of("sender", "KeyFrameForced")] == [KeyFrameReason.NEW_FRAME_SIZE] * 2
    finally:
        rtc.uninstall()


async def _a_first(call: Call) -> None:
    await call.a.close()
    await call.ended.wait()
    await call.b.close()


async def _both_at_once(call: Call) -> None:
    await asyncio.gather(call.a.close(), call.b.close())


async def _sender_first(call: Call) -> None:
    await call.a.getSenders()[0].stop()
    await call.ended.wait()
    await call.b.close()
    await call.a.close()


async def _muted(call: Call) -> None:
    call.a.getSenders()[0].replaceTrack(None)
    await asyncio.sleep(0.1)
    await call.b.getReceivers()[0].stop()
    await call.a.close()
    await call.b.close()


async def _track_ends(call: Call) -> None:
    call.a.getSenders()[0].track.stop()
    await asyncio.sleep(0.1)
    await call.b.close()
    await call.a.close()


@pytest.mark.parametrize("end", [_a_first, _both_at_once, _sender_first, _muted, _track_ends])
@pytest.mark.parametrize(("loop", "warm"), [("asyncio", True), ("asyncio", False), ("uvloop", True)])
def test_call_ends_cleanly_in_any_order(stub: rtc.RtcOptions, end: Any, loop: str, warm: bool) -> None:
    async def main() -> None:
        call = await connect(MovingTrack())
        if warm:
            await call.shown(2)
        else:
            await until(lambda: call.a.connectionState == call.b.connectionState == "connected")
        await end(call)
        await asyncio.gather(*call.tasks)

    run_on(loop, main())


def test_track_can_be_muted_and_come_back(loop: str, stub: rtc.RtcOptions) -> None:
    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(2)
            track = call.a.getSenders()[0].track
            call.a.getSenders()[0].replaceTrack(None)
            await asyncio.sleep(0.2)
            call.a.getSenders()[0].replaceTrack(track)
            await call.shown(5)

    run_on(loop, main())


def test_track_that_never_waits_does_not_starve_the_loop(stub: rtc.RtcOptions) -> None:
    class Instant(MovingTrack):
        async def recv(self) -> Any:
            self._fps = 1e9
            return await super().recv()

    async def main() -> None:
        async with call_of(Instant()) as call:
            await call.shown(5)

    run_on("asyncio", main())


class _Moody:
    """The stub, but every third frame raises."""

    def __init__(self, codec: Any, verb: str) -> None:
        self._codec, self._verb, self._count = codec, verb, 0
        self.name, self.loss_response = codec.name, codec.loss_response

    def __getattr__(self, name: str) -> Any:
        if name == self._verb:
            self._count += 1
            if self._count % 3 == 0:
                raise RuntimeError("out of order")
        return getattr(self._codec, name)


def test_sender_that_has_no_measurement_makes_one_and_then_sends(stub: rtc.RtcOptions, seen: Observed) -> None:
    async def main() -> None:
        rtc.install(replace(stub, adapt=True))
        async with call_of(MovingTrack()) as call:
            await call.shown(3)

    run_on("asyncio", main())
    assert seen.of("sender", POINT)
    assert not seen.of("sender", "WorkFailed")


def test_encoder_that_cannot_be_measured_costs_no_call(
    stub: rtc.RtcOptions, seen: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shy(StubCodec):
        def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
            if not seen.of("sender", POINT):
                raise RuntimeError("cannot be measured")
            return super().encode(frame, reference, budget)

    row = schemes.SCHEMES["stub"]
    assert row.live is not None
    monkeypatch.setitem(schemes.SCHEMES, "stub", replace(row, live=replace(row.live, make=Shy)))

    async def main() -> None:
        rtc.install(replace(stub, adapt=True))
        async with call_of(MovingTrack()) as call:
            await call.shown(3)

    run_on("asyncio", main())
    assert [failed.what for failed in seen.of("sender", "WorkFailed")] == ["calibrate"]


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_codec_that_raises_costs_a_frame_and_not_the_call(
    stub: rtc.RtcOptions, seen: Observed, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = schemes.SCHEMES["stub"]
    assert row.live is not None
    make = row.live.make
    moody = replace(row, live=replace(row.live, make=lambda: _Moody(make(), verb)))
    monkeypatch.setitem(schemes.SCHEMES, "stub", moody)

    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(8)

    run_on("asyncio", main())
    failed = seen.of("sender" if verb == "encode" else "receiver", "WorkFailed")
    assert len(failed) >= 2
    assert {event.what for event in failed} == {verb}


def test_observer_that_raises_is_not_the_calls_problem(stub: rtc.RtcOptions) -> None:
    def observe(event: rtc.LiveEvent) -> None:
        raise RuntimeError("no")

    async def main() -> None:
        rtc.install(replace(stub, observer=observe))
        async with call_of(MovingTrack()) as call:
            await call.shown(3)

    run_on("asyncio", main())


def test_uninstalling_in_mid_call_ends_its_streams(loop: str, stub: rtc.RtcOptions) -> None:
    async def main() -> None:
        async with call_of(MovingTrack()) as call:
            await call.shown(3)
            rtc.uninstall()
            await until(lambda: call.a.getSenders()[0].track is None)

    run_on(loop, main())


def test_application_can_prefer_grace_or_something_else(stub: rtc.RtcOptions) -> None:
    async def main() -> None:
        vp8 = next(codec for codec in RTCRtpSender.getCapabilities("video").codecs if codec.name == "VP8")
        for wanted in ("GRACE", "VP8"):
            call = Call(*(type(connection)() for connection in (_connection(), _connection())))
            transceiver = call.a.addTransceiver("video")
            transceiver.setCodecPreferences([rtc.capability()] if wanted == "GRACE" else [vp8])
            offer = await call.a.createOffer()
            assert f" {wanted}/90000" in offer.sdp
            assert offer.sdp.count("a=rtpmap") == 1
            await call.a.close()
            await call.b.close()

    run_on("asyncio", main())


def _connection() -> Any:
    from aiortc import RTCPeerConnection

    return RTCPeerConnection()
