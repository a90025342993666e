"""The receiving process: takes calls, one at a time, shows and records them. A plain aiortc application.

What happens goes to an observer: `FrameShown`, `ReceivingStatus`, events of `process`, and those of the plug-in
(`grace_transport.aiortc_plugin.LiveEvent`). Refuses to know terminals and logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from grace_codec.schemes import live_scheme
from grace_receiver.app.admission import CallAdmission, Decision
from grace_receiver.app.config import ReceiveConfig
from grace_receiver.app.connection import ReceivingConnection, ReceivingTotals, TimedFrame
from grace_receiver.app.recordings import Recordings
from grace_receiver.app.render import Window
from grace_transport.aiortc_plugin import LiveEvent, RtcOptions, install, uninstall
from grace_transport.runtime.process import (
    ConnectionChanged,
    ExitStatus,
    Notice,
    Sampler,
    monotonic_us,
    signals_as_calls,
)
from grace_transport.signalling import (
    Caller,
    Offer,
    PeerUnavailableError,
    SignallingServer,
    find_token,
    parse_host_port,
)

_log = logging.getLogger(__name__)

POLL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class FrameShown:
    """The application showed a frame. `index` counts its frames, as they follow each other in --record-frames."""

    at_us: int
    index: int
    rtp_timestamp: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ReceivingStatus:
    """For a status line. Rates are of the last interval; None: not known (yet)."""

    at_us: int
    connection: str
    codec: str
    bitrate_bps: int
    fps: float
    loss: float | None
    size: tuple[int, int] | None
    partial: int | None
    resyncs: int | None


ReceivingEvent = LiveEvent | FrameShown | ConnectionChanged | Notice | ReceivingStatus
Observer = Callable[[ReceivingEvent], None]


async def run_receive(config: ReceiveConfig, observer: Observer) -> ExitStatus:
    """Take calls until the time is over or a signal comes. ValueError, OSError, ReceiverError: none was taken."""
    token = find_token(config.token)
    host, port = parse_host_port(config.listen)
    with ExitStack() as stack:
        receiving = _ReceivingProcess(config, observer, stack)
        if not config.plain:
            install(RtcOptions(scheme=config.scheme, observer=receiving.on_live_event))
            stack.callback(uninstall)
        server = SignallingServer(receiving, token, no_token=config.no_token)
        await server.start(host, port)
        shown = f"[{host}]" if ":" in host else host
        observer(Notice(receiving.now_us(), f"waiting for calls on http://{shown}:{server.port}"))
        preparing = None if config.plain else asyncio.create_task(_prepare(config.scheme))
        try:
            return await receiving.run()
        finally:
            if preparing is not None:
                preparing.cancel()
            await server.stop()
            await receiving.close()


async def _prepare(scheme: str) -> None:
    """Load what the first call needs while none is there: loading beside a sender makes its first second slow."""
    try:
        await asyncio.to_thread(live_scheme(scheme).make)
    except Exception as error:  # the call will run into the same, and say it
        _log.debug("%s was not prepared: %s", scheme, error)


class _ReceivingProcess:
    """The handler of the signalling server, and what follows from a call: frames shown and recorded, status, an end."""

    def __init__(self, config: ReceiveConfig, observer: Observer, stack: ExitStack) -> None:
        self._config, self._observe = config, observer
        self._loop = asyncio.get_running_loop()
        self._admission = CallAdmission()
        self._call: ReceivingConnection | None = None
        self._connection = ""
        self._done = asyncio.Event()
        self._why = ""
        self._shown = 0
        self._shown_us = 0
        self._size: tuple[int, int] | None = None
        self._packets_received = 0  # of the present call, as last seen: more means that the caller is alive
        self._sampler: Sampler[ReceivingTotals] = Sampler(config.stats)
        self._window = Window("grace-rtc") if config.show else None
        if self._window is not None:
            stack.callback(self._window.close)
        self._recordings = Recordings(config.record, config.record_frames)

    def now_us(self) -> int:
        return monotonic_us()

    # -- the signalling server's handler -----------------------------------------------------------------------------

    async def on_offer(self, offer: Offer, caller: Caller) -> str:
        decision = self._admission.on_offer(offer.session, self.now_us())
        if decision is Decision.REFUSE:
            raise PeerUnavailableError("busy: another call is going on here; end it, or try again later")
        before, self._call = self._call, None
        if before is not None:
            await before.close()
        self._notice(f"call from {caller.remote or 'somewhere'}" + (", again" if decision is Decision.REPLACE else ""))
        call = ReceivingConnection(self._config.ice_servers, self._on_frame, lambda state: self._on_state(call, state))
        self._call = call
        self._packets_received = 0
        self._sampler.restart()
        try:
            return await call.answer(offer.sdp)
        except BaseException:
            if call is self._call:
                self._admission.end()
                self._call = None
            await call.close()
            raise

    async def on_hang_up(self, session: str) -> None:
        if self._admission.on_hang_up(session):
            await self._ended("the caller hung up")

    # -- what happens ------------------------------------------------------------------------------------------------

    def on_live_event(self, event: LiveEvent) -> None:
        if self._call is not None:
            self._call.on_live_event(event.event)
        self._observe(event)

    def _on_state(self, call: ReceivingConnection, state: str) -> None:
        if call is not self._call:
            return
        self._connection = state
        self._observe(ConnectionChanged(self.now_us(), state))
        if state == "connected":
            self._admission.on_alive(self.now_us())
        elif state in ("failed", "closed"):
            self._admission.on_lost(self.now_us())

    def _on_frame(self, frame: TimedFrame) -> None:
        now_us, video, before = self.now_us(), frame.video, self._size
        if self._window is not None:
            self._window.show(video)
        if not self._recordings.add(video, now_us):
            return
        self._size = video.width, video.height
        if before not in (None, self._size):
            self._notice(f"frames are {video.width}x{video.height} now")
        self._observe(FrameShown(now_us, self._shown, frame.rtp_timestamp, *self._size))
        self._shown += 1
        self._shown_us = now_us

    async def run(self) -> ExitStatus:
        began = self._loop.time()
        limit = self._config.seconds
        with signals_as_calls(self._end):
            while not self._done.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._done.wait()
                await self._poll()
                if limit is not None and self._loop.time() - began >= limit:
                    self._end(f"{limit:g} s are over")
        self._notice(f"ending: {self._why}")
        return ExitStatus.DONE

    async def close(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            await call.close()
        await self._recordings.close(self.now_us())
        self._say_problems()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _notice(self, text: str, warning: bool = False) -> None:
        self._observe(Notice(self.now_us(), text, warning))

    def _say_problems(self) -> None:
        while self._recordings.problems:
            self._notice(self._recordings.problems.pop(0), warning=True)

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._done.set()

    async def _ended(self, why: str, video_end_us: int | None = None) -> None:
        """The call is over. `video_end_us`: how long its last frame stands in the recording; None: until now."""
        call, self._call = self._call, None
        if call is not None:
            await call.close()
        self._connection = ""
        self._notice(why)
        await self._recordings.end_video(self.now_us() if video_end_us is None else video_end_us)
        if self._config.once:
            self._end("the first call is over")

    async def _poll(self) -> None:
        if self._window is not None:
            self._window.poll()
            if self._window.closed:
                self._end("the window was closed")
        self._recordings.look_after()
        self._say_problems()
        was_lost = self._admission.lost
        if self._call is not None:
            await self._look_at(self._call)
        if self._admission.handle_timer(self.now_us()):
            await self._ended("the call did not come back", self._shown_us)
        elif self._admission.lost and not was_lost:
            self._notice("nothing comes from the caller any more; waiting for it to call again", warning=True)

    async def _look_at(self, call: ReceivingConnection) -> None:
        totals, now_us = replace(await call.totals(), frames=self._shown), self.now_us()
        if totals.packets_received > self._packets_received and self._connection == "connected":
            self._admission.on_alive(now_us)
        self._packets_received = totals.packets_received
        if (interval := self._sampler.sample(totals, now_us)) is not None:
            self._show_status(call, totals, *interval)

    def _show_status(
        self, call: ReceivingConnection, now: ReceivingTotals, before: ReceivingTotals, seconds: float
    ) -> None:
        lost, came = now.packets_lost - before.packets_lost, now.media_packets - before.media_packets
        self._observe(
            ReceivingStatus(
                at_us=self.now_us(),
                connection="lost" if self._admission.lost else self._connection,
                codec=call.codec,
                bitrate_bps=max(0, round((now.bytes_received - before.bytes_received) * 8 / seconds)),
                fps=(now.frames - before.frames) / seconds,
                loss=max(0, lost) / (lost + came) if lost + came > 0 else None,
                size=self._size,
                partial=now.partial,
                resyncs=now.resyncs,
            )
        )
