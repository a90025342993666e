"""Calls of plain aiortc through the relay, on loopback: all of it crosses the link, and it comes back by itself."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from grace_lab.log.file import LogWriter, read_log
from grace_lab.log.schema import SessionLog
from grace_netsim.relay.log import RelayLog
from grace_netsim.relay.relay import Relay
from grace_netsim.trace.rates import RateSeries
from grace_transport.signalling import OfferRefusedError, PeerUnavailableError, SignallingClient, SignallingServer

from .relay_peers import TOKEN, Receiver, calling, received, relayed

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("loop", LOOPS)
def test_call_goes_through_the_link_and_no_other_way(loop: str) -> None:
    async def call() -> None:
        async with received() as (receiver, behind), relayed(behind) as (relay, url), calling(url) as sender:
            await sender.call()
            assert await sender.say("hello") == "hello!"
            (through,) = relay.calls
            for sdp, side in ((sender.answer, through.sender), (receiver.offers[0].sdp, through.receiver)):
                candidates = [line.split()[4:6] for line in sdp.splitlines() if line.startswith("a=candidate")]
                assert candidates == [[side.address[0], str(side.address[1])]]
                assert side.counts.admitted > 0
                assert side.counts.rejected == 0
            assert sender.offer != receiver.offers[0].sdp
            status = relay.status()
            assert isinstance(status["trace_position_s"], float)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(call())


async def test_video_arrives_and_the_log_tells_of_its_packets(tmp_path: Path) -> None:
    path = tmp_path / "netsim.jsonl"
    capacity = RateSeries((3_000_000,))
    log = LogWriter.to_file(path)
    values = {"loss": 0.05, "trace_up": "fcc-1"}
    async with received() as (receiver, behind), relayed(behind, RelayLog(log, capacity), **values) as (relay, url):
        peer = RTCPeerConnection()
        peer.addTrack(VideoStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        async with SignallingClient(url, TOKEN) as client:
            answer = await client.offer(peer.localDescription.sdp, "session-1")
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            assert await receiver.pictures.get() == (640, 480)
            kinds = {"media", "feedback", "other"}
            await until(
                lambda: (
                    bool(_dropped(relay)) and kinds <= _of(read_log(path, may_be_cut=True), "packet_relayed", "kind")
                )
            )
            await client.hang_up("session-1")
        assert not relay.calls
        assert receiver.ended == ["session-1"]
        await peer.close()
    log.close()
    lines = read_log(path)
    assert {"up", "down"} == _of(lines, "packet_relayed", "direction")
    assert {"loss"} <= _of(lines, "packet_dropped", "reason")
    assert _of(lines, "connection_state", "state") == {"new", "closed"}
    assert next(lines.named("link_capacity")).integer("bps") == 3_000_000
    assert any(True for _ in lines.named("link_queue"))
    for direction in ("up", "down"):
        times = [event.at_us for event in lines.named("packet_relayed") if event.text("direction") == direction]
        assert times == sorted(times)


def _dropped(relay: Relay) -> dict[str, int]:
    up = relay.status()["up"]
    assert isinstance(up, dict)
    return dict(up["dropped"])


def _position_s(relay: Relay) -> float:
    return float(str(relay.status()["trace_position_s"]))


def _of(lines: SessionLog, event: str, fact: str) -> set[str]:
    return {line.text(fact) for line in lines.named(event)}


async def test_call_survives_a_span_of_total_loss() -> None:
    down = ((0.5, 2.0),)
    async with received() as (_, behind), relayed(behind, outage=down) as (relay, url), calling(url) as sender:
        await sender.call()
        await until(lambda: _position_s(relay) > 0.6)
        assert await sender.say("still there?") == "still there?!"
        assert _position_s(relay) >= 2.5


async def test_time_zero_is_the_first_media_packet_unless_it_is_the_start() -> None:
    async with received() as (_, behind):
        async with relayed(behind) as (relay, url), calling(url) as sender:
            assert relay.status()["trace_position_s"] is None
            await sender.call()
            assert _position_s(relay) >= 0
        async with relayed(behind, start_on_call=False) as (relay, _):
            assert _position_s(relay) >= 0


async def test_restarted_sender_is_given_a_new_pair_and_the_old_one_ends() -> None:
    async with received() as (receiver, behind), relayed(behind) as (relay, url):
        async with calling(url) as first:
            await first.call()
            (old,) = relay.calls
        async with calling(url) as second:  # the same session, as an application that calls again
            await second.call()
            assert await second.say("again") == "again!"
        (new,) = relay.calls
        assert new.sender.address != old.sender.address
        assert old.closed
        assert len(receiver.offers) == 2


async def test_receiver_that_is_away_is_a_502_and_may_come_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with relayed(f"http://127.0.0.1:{port}") as (relay, url), calling(url) as sender:
        with pytest.raises(PeerUnavailableError, match=f"127.0.0.1:{port}: cannot be reached") as failure:
            await sender.call()
        assert failure.value.status == 502
        assert failure.value.retry
        assert not relay.calls
        receiver = Receiver()
        server = SignallingServer(receiver, TOKEN)
        await server.start("127.0.0.1", port)
        async with calling(url) as again:
            await again.call()
            assert await again.say("back") == "back!"
        await server.stop()
        await receiver.close()


async def test_strangers_are_counted_and_nothing_of_them_goes_on(tmp_path: Path) -> None:
    log = LogWriter.to_file(tmp_path / "netsim.jsonl")
    async with received() as (_, behind), relayed(behind, RelayLog(log)) as (relay, url), calling(url) as sender:
        await sender.call()
        (call,) = relay.calls
        stranger = socket.socket(
            socket.AF_INET6 if ":" in call.sender.address[0] else socket.AF_INET, socket.SOCK_DGRAM
        )
        for data in (b"", b"\x80\x60" + bytes(50), bytes(20), b"\x00\x01\x00\x00!\x12\xa4B" + bytes(12)) * 50:
            stranger.sendto(data, call.sender.address)
        await until(lambda: call.sender.counts.rejected == 200)
        assert await sender.say("unharmed") == "unharmed!"
        stranger.close()
        assert call.receiver.counts.unsent == 0
    log.close()
    lines = read_log(tmp_path / "netsim.jsonl")
    assert sum(1 for _ in lines.named("datagram_rejected")) == 100  # a flood does not fill the disk


async def test_sender_behind_a_name_is_found_by_its_signed_checks() -> None:
    """Browsers give mDNS names for candidates: nothing in the offer says where they are."""
    async with received() as (_, behind), relayed(behind) as (relay, url), calling(url) as sender:
        sender.show = lambda sdp: re.sub(r"(?m)^(a=candidate:(?:\S+ ){4})\S+", r"\g<1>4e8b4c1b-9c0e.local", sdp)
        await sender.call()
        assert sender.offer.count("4e8b4c1b-9c0e.local") == sender.offer.count("a=candidate") > 0
        assert await sender.say("found") == "found!"
        (call,) = relay.calls
        assert call.sender.latch.address is not None
        assert relay.calls[0].sender.counts.rejected == 0


async def test_calls_are_bounded_and_a_silent_one_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async with received() as (_, behind), relayed(behind, max_calls=1) as (relay, url):
        async with calling(url, "session-1") as first, calling(url, "session-2") as second:
            await first.call()
            with pytest.raises(PeerUnavailableError, match="--max-calls"):
                await second.call()
        monkeypatch.setattr("grace_netsim.relay.relay.STALE_US", 0)
        async with calling(url, "session-3") as third:
            await third.call()
            assert [call.session for call in relay.calls] == ["session-3"]


async def test_idle_call_is_closed() -> None:
    async with received() as (receiver, behind), relayed(behind, idle_s=1) as (relay, url):
        async with calling(url) as sender:
            await sender.call()
        await receiver.on_hang_up("session-1")
        await until(lambda: not relay.calls)


async def test_offer_that_cannot_be_relayed_is_refused_and_status_needs_the_token() -> None:
    async with received() as (receiver, behind), relayed(behind) as (relay, url):
        async with SignallingClient(url, TOKEN) as client:
            with pytest.raises(OfferRefusedError, match="no medium in use"):
                await client.offer("v=0\r\n", "session-1")
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{url}/status") as response:
                assert response.status == 401
            async with http.get(f"{url}/status", headers={"Authorization": f"Bearer {TOKEN}"}) as response:
                assert json.loads(await response.text())["calls"] == []
        assert not relay.calls
        assert not receiver.offers


async def test_wrong_token_of_the_relay_is_not_the_senders_fault() -> None:
    async with received() as (_, behind), relayed(behind, token="another-secret") as (relay, url):
        async with SignallingClient(url, "another-secret") as client:
            with pytest.raises(OfferRefusedError, match="netsim was refused by the receiver") as failure:
                await client.offer("v=0\r\nm=video 9 X 96\r\na=ice-ufrag:abcd\r\na=ice-pwd:1234\r\n", "session-1")
        assert failure.value.status == 403
        assert not relay.calls
