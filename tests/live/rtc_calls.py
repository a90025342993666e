"""What the tests of the plug-in share: two peer connections of one process, tracks, loops, a network that loses."""

from __future__ import annotations

import asyncio
import fractions
import gc
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvloop
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from grace_transport import aiortc_plugin as rtc

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
PATIENCE_S = 300.0  # a guard against waiting for ever; no verdict depends on it


def run_on(loop: str, main: Coroutine[Any, Any, None]) -> None:
    """Run on a loop of this kind; nothing may be left behind: no unseen exception, no thread of ours."""
    unseen: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        async with asyncio.timeout(PATIENCE_S):
            await main
        gc.collect()  # tasks tell of exceptions that nobody fetched when they are collected
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(watched())
    assert not unseen
    ours = ("grace-encoder", "grace-decoder")  # the codec's own pool serves all calls, and stays
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(ours)] == []


class MovingTrack(MediaStreamTrack):
    """A bright square that walks over a gradient, `fps` times a second."""

    kind = "video"

    def __init__(self, size: tuple[int, int] = (160, 96), fps: float = 60.0) -> None:
        super().__init__()
        self._size, self._fps = size, fps
        self._count = 0

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(1 / self._fps)
        width, height = self._size
        luma = np.tile(np.linspace(40, 160, width).astype(np.uint8), (height, 1))
        at = self._count * 2 % (width - 16)
        luma[16:32, at : at + 16] = 230
        frame = VideoFrame.from_ndarray(luma, format="gray")  # any size, odd ones too
        frame.pts, frame.time_base = round(self._count * 90000 / self._fps), fractions.Fraction(1, 90000)
        self._count += 1
        return frame


@dataclass
class Observed:
    """Every event of the plug-in, by the end it is of."""

    events: dict[str, list[Any]] = field(default_factory=lambda: {"sender": [], "receiver": []})

    def __call__(self, event: rtc.LiveEvent) -> None:
        self.events[event.end].append(event.event)

    def counts(self, end: str) -> Counter[str]:
        return Counter(type(event).__name__ for event in self.events[end])

    def of(self, end: str, kind: str) -> list[Any]:
        return [event for event in self.events[end] if type(event).__name__ == kind]


@dataclass
class Call:
    """`a` sends to `b`. `pictures`: what came out of b's video track; `ended`: whether that track ended."""

    a: RTCPeerConnection
    b: RTCPeerConnection
    pictures: list[VideoFrame] = field(default_factory=list)
    sounds: list[Any] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def shown(self, count: int) -> None:
        """Wait until so many pictures more were shown."""
        wanted = len(self.pictures) + count
        await until(lambda: len(self.pictures) >= wanted)

    def codec(self, connection: RTCPeerConnection) -> str:
        return str(connection.getTransceivers()[0]._codecs[0].name)

    async def stats(self, connection: RTCPeerConnection, of_type: str) -> Any:
        return await stats_of(connection, of_type)


async def stats_of(whose: RTCPeerConnection | RTCRtpSender | RTCRtpReceiver, of_type: str) -> Any:
    """The first entry of this type, as soon as there is one."""
    while True:
        for one in (await whose.getStats()).values():
            if one.type == of_type:
                return one
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool]) -> None:
    """No limit of its own: `run_on` has one."""
    while not condition():
        await asyncio.sleep(0.01)


async def connect(
    *tracks: MediaStreamTrack,
    answering: Sequence[MediaStreamTrack] = (),
    before_answer: Callable[[], None] = lambda: None,
    before_applying: Callable[[], None] = lambda: None,
    spoil: Callable[[RTCPeerConnection], None] = lambda connection: None,
) -> Call:
    """Offer, answer, media. The hooks run between the steps, where another peer would be another process."""
    call = Call(RTCPeerConnection(), RTCPeerConnection())
    call.b.on("track", lambda track: call.tasks.append(asyncio.ensure_future(_collect(call, track))))
    for track in tracks:
        call.a.addTrack(track)
    await call.a.setLocalDescription(await call.a.createOffer())
    before_answer()
    await call.b.setRemoteDescription(_copy(call.a.localDescription))
    for track in answering:
        call.b.addTrack(track)
    await call.b.setLocalDescription(await call.b.createAnswer())
    before_applying()
    spoil(call.a)
    await call.a.setRemoteDescription(_copy(call.b.localDescription))
    return call


@asynccontextmanager
async def call_of(*tracks: MediaStreamTrack, **hooks: Any) -> AsyncIterator[Call]:
    """A call that is closed at the end, b first."""
    call = await connect(*tracks, **hooks)
    try:
        yield call
    finally:
        await call.b.close()
        await call.a.close()
        await asyncio.gather(*call.tasks)


def losing(share: float, seed: int = 7) -> Callable[[RTCPeerConnection], None]:
    """Drops this share of the GRACE packets that a connection sends, each on its own."""
    generator = random.Random(seed)

    def spoil(connection: RTCPeerConnection) -> None:
        transport = connection.getSenders()[0].transport.transport
        send: Callable[[bytes], Awaitable[None]] = transport._send

        async def maybe(data: bytes) -> None:
            if not (is_rtp(data) and generator.random() < share):
                await send(data)

        transport._send = maybe

    return spoil


def is_rtp(data: bytes) -> bool:
    """SRTP leaves the header in the clear."""
    return len(data) > 12 and 128 <= data[0] < 192 and not 192 <= data[1] <= 223


def _copy(description: RTCSessionDescription) -> RTCSessionDescription:
    return RTCSessionDescription(description.sdp, description.type)


async def _collect(call: Call, track: MediaStreamTrack) -> None:
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            break
        if isinstance(frame, VideoFrame):
            call.pictures.append(frame)
        else:
            call.sounds.append(frame)
    if track.kind == "video":
        call.ended.set()
