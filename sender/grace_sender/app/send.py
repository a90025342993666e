"""The sending process: a source, a call that is placed again when it is lost, and an end. Owns their lives.

What happens goes to an observer: events of `capture`, `adaptation` and `process`, `SendingStatus`, and those of the
plug-in (`grace_transport.aiortc_plugin.LiveEvent`). Refuses to know terminals and logs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from grace_sender.app.capture import Capture, Feed, FrameMissed
from grace_sender.app.config import SendConfig
from grace_sender.app.connection import GATHER_S, CaptureTrack, SendingConnection, SendingTotals
from grace_sender.app.reconnect import DropCall, GiveUp, Phase, PlaceCall, Reconnect, ReconnectConfig
from grace_sender.app.scheme_setup import install_plugin
from grace_sender.app.sources import open_source
from grace_sender.live.adaptation import OperatingPointChanged
from grace_sender.live.events import FrameCaptured
from grace_transport.aiortc_plugin import LiveEvent
from grace_transport.runtime.live_end import CodecReady
from grace_transport.runtime.process import (
    ConnectionChanged,
    ExitStatus,
    Notice,
    Sampler,
    StoppedError,
    StopSignal,
    monotonic_us,
    signals_as_calls,
)
from grace_transport.signalling import SignallingClient, SignallingError, find_token

POLL_S: Final = 0.5
GRACE: Final = "GRACE"
LINGER_S: Final = 0.4  # after the last frame: what is under way leaves


@dataclass(frozen=True, slots=True)
class SendingStatus:
    """For a status line. Rates are of the last interval; None: not known (yet)."""

    at_us: int
    connection: str
    codec: str
    bitrate_bps: int
    fps: float
    loss: float | None
    rtt_s: float | None
    resyncs: int | None
    target_bps: int | None


SendingEvent = (
    LiveEvent | FrameCaptured | FrameMissed | OperatingPointChanged | ConnectionChanged | Notice | SendingStatus
)
Observer = Callable[[SendingEvent], None]


async def run_send(config: SendConfig, observer: Observer) -> ExitStatus:
    """Send until the source ends, the time is over, or a signal comes. ClipError, ValueError: nothing was sent."""
    token = find_token(config.token)
    stop = StopSignal()
    with signals_as_calls(stop):
        try:
            return await _send(config, observer, token, stop)
        except StoppedError as error:
            observer(Notice(monotonic_us(), f"ending: {error}"))
            return ExitStatus.DONE


async def _send(config: SendConfig, observer: Observer, token: str | None, stop: StopSignal) -> ExitStatus:
    opening = asyncio.to_thread(open_source, config.input, config.frame_size, config.fps, config.loop, config.pix_fmt)
    source = await stop.unless_stopped(opening)
    tracks: list[CaptureTrack] = []  # the present one

    def observe_plugin(event: SendingEvent) -> None:
        observer(event)
        if isinstance(event, LiveEvent) and isinstance(event.event, CodecReady):
            for track in tracks:
                if track.codec_ready is not None:
                    track.codec_ready.set()

    try:
        plugin = await stop.unless_stopped(install_plugin(config, source, observe_plugin))
    except BaseException:
        source.close()
        raise
    with plugin:
        return await _SendingProcess(config, Feed(source, config.fps, observer), token, observer, tracks).run(stop)


def _reconnect_config(config: SendConfig, give_up_us: int | None) -> ReconnectConfig:
    """Both ends may wait for their ICE servers before they try to reach each other."""
    plain = ReconnectConfig(give_up_us=give_up_us)
    gathering_us = round(2 * GATHER_S * 1e6) if config.ice_servers else 0
    return replace(plain, first_attempt_us=plain.first_attempt_us + gathering_us)


class _SendingProcess:
    """One source, and one call after the other until the process is to end."""

    def __init__(
        self, config: SendConfig, feed: Feed, token: str | None, observer: Observer, tracks: list[CaptureTrack]
    ) -> None:
        """`tracks`: where the track of the present call is put, for whoever knows when the codec is ready."""
        self._tracks = tracks
        self._config, self._feed, self._observe = config, feed, observer
        self._client = SignallingClient(config.to, token)
        self._wake = asyncio.Event()
        self._why: str | None = None
        self._status: ExitStatus | None = None
        self._call: SendingConnection | None = None
        self._placing: asyncio.Task[None] | None = None
        self._track: CaptureTrack | None = None
        self._connection = ""
        self._connected_us: int | None = None  # for the first time
        self._captured = 0
        self._bytes_received = 0  # of the present call, as last seen: more means that the peer is alive
        self._sampler: Sampler[SendingTotals] = Sampler(config.stats)
        give_up_us = None if config.give_up is None else round(config.give_up * 1e6)
        generator = random.Random()  # callers that start together must not stay together
        self._reconnect = Reconnect(_reconnect_config(config, give_up_us), generator, self._now_us())

    async def run(self, stop: StopSignal) -> ExitStatus:
        self._feed.start()
        stop.tell(lambda name: self._end(ExitStatus.DONE, name))
        try:
            while self._status is None:
                await self._turn()
        finally:
            await self._close()
        return self._status

    # -- inside ----------------------------------------------------------------------------------------------------

    def _now_us(self) -> int:
        return monotonic_us()

    def _end(self, status: ExitStatus, why: str) -> None:
        if self._status is None:
            self._status, self._why = status, why
        self._wake.set()

    def _notice(self, text: str, warning: bool = False) -> None:
        self._observe(Notice(self._now_us(), text, warning))

    async def _turn(self) -> None:
        """Do what is due, then sleep until something is."""
        self._reconnect.handle_timer(self._now_us())
        while (action := self._reconnect.next_action()) is not None:
            await self._act(action)
        if self._status is not None:
            return
        self._wake.clear()
        timer = self._reconnect.get_timer()
        wait_s = POLL_S if timer is None else min(POLL_S, max(0.0, (timer - self._now_us()) / 1e6))
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            await self._poll()

    async def _act(self, action: PlaceCall | DropCall | GiveUp) -> None:
        match action:
            case PlaceCall():
                self._placing = asyncio.create_task(self._place())
            case DropCall():
                await self._let_go()
                self._notice(f"{action.reason}; calling again in {action.wait_us / 1e6:.1f} s", warning=True)
            case GiveUp():
                self._end(ExitStatus.REFUSED, action.reason)

    async def _place(self) -> None:
        """Place a call. This is a task of its own, so whatever it raises must be caught and told here."""
        config = self._config
        ready = None if self._feed.source.live else asyncio.Event()
        track = CaptureTrack(self._feed, lambda capture, timestamp: self._on_captured(call, capture, timestamp), ready)
        call = SendingConnection(track, config.ice_servers, lambda state: self._on_state(call, state))
        self._track, self._call = track, call
        self._tracks[:] = [track]
        try:
            await call.place(self._client, config.session, config.scheme if config.plain else None)
        except SignallingError as error:
            (self._reconnect.on_lost if error.retry else self._reconnect.on_refused)(str(error), self._now_us())
        except Exception as error:  # a bug, ours or aiortc's: it is told, and the next try may fare better
            self._reconnect.on_lost(f"calling failed ({type(error).__name__}: {error})", self._now_us())
        else:
            if not config.plain and call.codec.upper() != GRACE:
                self._notice(f"the peer has no GRACE that fits ours: sending {call.codec} instead", warning=True)
        self._wake.set()

    def _on_state(self, call: SendingConnection, state: str) -> None:
        if call is not self._call:
            return
        self._connection = state
        self._observe(ConnectionChanged(self._now_us(), state))
        track = self._track
        if state == "connected":
            self._reconnect.on_connected(self._now_us())
            self._connected_us = self._connected_us or self._now_us()
        elif state == "failed":
            self._reconnect.on_lost("the connection failed", self._now_us())
        elif state == "closed" and track is not None and not track.ended_itself:
            self._reconnect.on_lost("the peer ended the call", self._now_us())
        self._wake.set()

    def _on_captured(self, call: SendingConnection, capture: Capture, rtp_timestamp: int | None) -> None:
        self._captured += 1
        if call.codec.upper() == GRACE:  # also while it is being closed: the plug-in says which frames it took
            return
        at_us, size = self._now_us(), (capture.video.width, capture.video.height)
        frame_id, captured_us = capture.frame_id, capture.captured_us
        self._observe(FrameCaptured(at_us, frame_id, captured_us, capture.source_frame, rtp_timestamp, *size))

    async def _poll(self) -> None:
        """End with the source or with --seconds, notice a peer that is alive, and show the status."""
        notices = self._feed.source.notices
        while notices:
            self._notice(notices.pop(0), warning=True)
        if self._track is not None and self._track.ended_itself:
            broken = self._feed.error
            if broken is not None:
                self._notice(str(broken), warning=True)
            self._end(ExitStatus.DONE if broken is None else ExitStatus.SOURCE_BROKE, "the source ended")
            return
        limit, since_us = self._config.seconds, self._connected_us
        if limit is not None and since_us is not None and self._now_us() - since_us >= limit * 1e6:
            self._end(ExitStatus.DONE, f"{limit:g} s are over")
        if self._call is None or self._reconnect.phase is not Phase.CONNECTED:
            return
        await self._look_at(self._call)

    async def _look_at(self, call: SendingConnection) -> None:
        totals, now_us = await call.totals(), self._now_us()
        if totals.bytes_received != self._bytes_received:
            self._bytes_received = totals.bytes_received
            self._reconnect.on_alive(now_us)
        if totals.frames is None:  # aiortc's own codecs do not count them
            totals = replace(totals, frames=self._captured)
        if (interval := self._sampler.sample(totals, now_us)) is not None:
            self._show_status(call, totals, *interval)

    def _show_status(self, call: SendingConnection, now: SendingTotals, before: SendingTotals, seconds: float) -> None:
        frames = (now.frames or 0) - (before.frames or 0)
        self._observe(
            SendingStatus(
                at_us=self._now_us(),
                connection=self._connection,
                codec=call.codec,
                bitrate_bps=max(0, round((now.bytes_sent - before.bytes_sent) * 8 / seconds)),
                fps=max(0.0, frames / seconds),
                loss=now.loss,
                rtt_s=now.rtt_s,
                resyncs=now.resyncs,
                target_bps=now.target_bps,
            )
        )

    async def _let_go(self) -> None:
        """Let go of the present call; a file waits meanwhile."""
        placing, call = self._placing, self._call
        self._placing = self._call = self._track = None
        self._bytes_received = 0
        self._sampler.restart()
        self._feed.pause()
        if placing is not None and not placing.done():
            placing.cancel()
            await asyncio.wait([placing], timeout=POLL_S)
        if call is not None:
            await call.close()

    async def _close(self) -> None:
        self._notice(f"ending: {self._why or 'an error'}", warning=self._status is not ExitStatus.DONE)
        if self._track is not None and self._track.ended_itself:
            await asyncio.sleep(LINGER_S)
        connected = self._reconnect.phase is Phase.CONNECTED
        await self._let_go()
        if connected:
            try:
                async with asyncio.timeout(1.0):
                    await self._client.hang_up(self._config.session)
            except (SignallingError, TimeoutError):
                pass  # the peer notices the silence
        await self._client.close()
        await self._feed.close()
