"""Plain aiortc ends for tests of the relay: a receiver behind signalling, a sender that calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from grace_netsim.relay.config import RelayConfig
from grace_netsim.relay.log import RelayLog
from grace_netsim.relay.process import relay_server
from grace_netsim.relay.relay import Relay
from grace_transport.clock import AsyncioClock
from grace_transport.runtime.settings import load_settings
from grace_transport.signalling import Caller, Offer, SignallingClient, SignallingServer

TOKEN = "a-shared-secret"


class Receiver:
    """Answers calls; sends back what comes by a data channel, and counts pictures."""

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self.ended: list[str] = []
        self.pictures = asyncio.Queue[tuple[int, int]]()
        self._peers: dict[str, RTCPeerConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def on_offer(self, offer: Offer, caller: Caller) -> str:
        self.offers.append(offer)
        await self.on_hang_up(offer.session)
        peer = self._peers[offer.session] = RTCPeerConnection()

        @peer.on("datachannel")
        def on_channel(channel: RTCDataChannel) -> None:
            channel.on("message", lambda message: channel.send(f"{message}!"))

        @peer.on("track")
        def on_track(track: object) -> None:
            self._tasks.add(asyncio.ensure_future(self._play(track)))

        await peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription.sdp

    async def on_hang_up(self, session: str) -> None:
        peer = self._peers.pop(session, None)
        if peer is not None:
            self.ended.append(session)
            await peer.close()

    async def _play(self, track: object) -> None:
        from aiortc.mediastreams import MediaStreamError

        try:
            while True:
                frame = await track.recv()  # type: ignore[attr-defined]
                await self.pictures.put((frame.width, frame.height))
        except MediaStreamError:
            return

    async def close(self) -> None:
        for session in list(self._peers):
            await self.on_hang_up(session)
        await asyncio.gather(*self._tasks)


class Sender:
    """Calls, and says things by a data channel."""

    def __init__(self, url: str, session: str = "session-1") -> None:
        self.client = SignallingClient(url, TOKEN)
        self.session = session
        self.peer = RTCPeerConnection()
        self.channel = self.peer.createDataChannel("test", maxRetransmits=0, ordered=False)
        self.echoes = asyncio.Queue[str]()
        self.channel.on("message", self.echoes.put_nowait)
        self.offer = self.answer = ""
        self.show: Callable[[str], str] = str  # what of the offer is told

    async def call(self) -> None:
        opened = asyncio.Event()
        self.channel.on("open", opened.set)
        await self.peer.setLocalDescription(await self.peer.createOffer())
        self.offer = self.show(self.peer.localDescription.sdp)
        self.answer = await self.client.offer(self.offer, self.session)
        await self.peer.setRemoteDescription(RTCSessionDescription(self.answer, "answer"))
        if self.channel.readyState != "open":
            await opened.wait()

    async def say(self, text: str) -> str:
        """Says it until it comes back: a link may lose some."""
        while True:
            self.channel.send(text)
            try:
                async with asyncio.timeout(1.0):
                    while (echo := await self.echoes.get()) != f"{text}!":
                        pass
                    return echo
            except TimeoutError:
                continue

    async def close(self) -> None:
        await self.peer.close()
        await self.client.close()


@asynccontextmanager
async def received() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    server = SignallingServer(receiver, TOKEN)
    await server.start("127.0.0.1", 0)
    try:
        yield receiver, f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()
        await receiver.close()


@asynccontextmanager
async def relayed(forward: str, log: RelayLog | None = None, **values: object) -> AsyncIterator[tuple[Relay, str]]:
    config = load_settings(RelayConfig, {"forward": forward, "token": TOKEN, "owd_ms": 5} | values)
    relay = Relay(config, AsyncioClock(), log or RelayLog(None))
    server = relay_server(relay, config)
    await server.start("127.0.0.1", 0)
    try:
        yield relay, f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()
        await relay.close()


@asynccontextmanager
async def calling(url: str, session: str = "session-1") -> AsyncIterator[Sender]:
    sender = Sender(url, session)
    try:
        yield sender
    finally:
        await sender.close()
