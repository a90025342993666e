"""Applications' tracks with the plug-in: packets instead of frames, tracks that are replaced, offers of browsers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("aiortc", reason="the rtc extra is not installed")
pytest.importorskip("openvino", reason="the codec extra is not installed")

import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRelay
from tests.codec.media.videos import numbered

from grace_transport import aiortc_plugin as rtc
from grace_transport.aiortc_plugin.internals import bound_gathering

from .rtc_calls import MovingTrack, Observed, call_of, run_on

TWCC = "transport-wide-cc-extensions"
OFFER = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:0
a=extmap:{number} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=sendrecv
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 nack
a=ssrc:1234 cname:browser
"""


@pytest.fixture
def stub() -> Iterator[Observed]:
    """The plug-in with a codec that costs nothing."""
    seen = Observed()
    rtc.install(rtc.RtcOptions(scheme="stub", adapt=False, observer=seen, start_bps=400_000, max_bps=800_000))
    yield seen
    rtc.uninstall()


def vp8_file(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=30, options={"deadline": "realtime", "lag-in-frames": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(60):
            frame = numbered(number % 50, (160, 96))
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_packets_of_a_player_go_out_as_they_are(
    tmp_path: Path, stub: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    """MediaPlayer(decode=False): VP8 is passed on, from the first packet, which is the key frame (aiortc issue 939)."""
    path = vp8_file(tmp_path / "clip.webm")

    async def main() -> None:
        player = MediaPlayer(str(path), decode=False)
        assert player.video is not None
        async with call_of(player.video) as call:
            await call.shown(20)
            first = call.pictures[0].to_ndarray(format="yuv420p")
            assert abs(float(first[:96].mean()) - 20) < 6

    with caplog.at_level(logging.WARNING):
        run_on("asyncio", main())
    assert [record.message for record in caplog.records if "cannot pass on" in record.message] == [
        "the track gives packets of vp8, which GRACE cannot pass on: sending VP8"
    ]
    assert not stub.of("sender", "FrameCaptured")


def test_replaced_track_is_sent_although_the_old_one_gives_nothing_any_more(stub: Observed) -> None:
    """The old one was stopped, so that its `recv` never returns (aiortc issue 304)."""

    async def main() -> None:
        relay = MediaRelay()
        camera, screen = MovingTrack(), MovingTrack(size=(128, 80))
        proxy = relay.subscribe(camera)
        async with call_of(proxy) as call:
            await call.shown(5)
            call.a.getSenders()[0].replaceTrack(relay.subscribe(screen))
            proxy.stop()
            await call.shown(10)
            captured = stub.of("sender", "FrameCaptured")[-1]
            assert (captured.width, captured.height) == (128, 80)
            camera.stop()
            screen.stop()

    run_on("asyncio", main())


@pytest.mark.parametrize("number", [4, 7, 17])
def test_browser_is_answered_as_without_the_plug_in(number: int) -> None:
    """Without GRACE nobody would send the feedback that the extension asks for."""

    async def answer() -> str:
        certificate = RTCPeerConnection()
        fingerprint = certificate._RTCPeerConnection__certificates[0].getFingerprints()[0].value  # type: ignore[attr-defined]
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTrack(MovingTrack())
        offer = OFFER.format(fingerprint=fingerprint, number=number).replace("\n", "\r\n")
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        text = connection.localDescription.sdp
        await connection.close()
        await certificate.close()
        return text

    kept = ("a=extmap", "a=rtpmap", "a=rtcp-fb", "a=fmtp")
    plain = [line for line in asyncio.run(answer()).splitlines() if line.startswith(kept)]
    rtc.install(rtc.RtcOptions(scheme="stub", adapt=False))
    try:
        answered = [line for line in asyncio.run(answer()).splitlines() if line.startswith(kept)]
    finally:
        rtc.uninstall()
    assert answered == plain
    assert not any(TWCC in line for line in answered)


def test_gathering_waits_no_longer_than_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The STUN server is silent, and nothing but loopback is up."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: [])
    waited: list[float] = []

    async def main() -> None:
        from aioice.ice import Connection

        real = Connection.get_component_candidates

        async def watched(self: Connection, component: int, addresses: list[str], timeout: float = 5) -> list[object]:
            waited.append(timeout)
            return list(await real(self, component, addresses, timeout))  # type: ignore[arg-type]

        monkeypatch.setattr(Connection, "get_component_candidates", watched)
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver(MovingTrack(), direction="sendonly")
        bound_gathering(connection, 0.5)
        bound_gathering(connection, 0.5)
        await connection.setLocalDescription(await connection.createOffer())
        assert " 127.0.0.1 " in connection.localDescription.sdp
        await connection.close()

    asyncio.run(main())
    assert waited == [0.5]
