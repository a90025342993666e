"""The relay: signalling to both sides, media through the emulated link. A live network in one process, without root.

All calls share the two directions of the emulated path.

    sender <-HTTP-> relay <-HTTP-> receiver        offers and answers, candidates replaced by the relay's own
    sender <-UDP-> [up | down] <-UDP-> receiver    STUN, DTLS, RTP, RTCP: all of it crosses the link
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from functools import partial

from aiohttp import web

from grace_netsim.relay.address import local_end, media_address
from grace_netsim.relay.call import RelayCall
from grace_netsim.relay.config import RelayConfig
from grace_netsim.relay.datagram import kind_of
from grace_netsim.relay.direction import Direction, InTransit
from grace_netsim.relay.log import NETSIM, RelayLog
from grace_netsim.relay.sdp import Description, SdpError, read_description, rewrite
from grace_transport.host import Clock
from grace_transport.signalling import (
    Caller,
    GarbledReplyError,
    Offer,
    OfferRefusedError,
    PeerUnavailableError,
    SignallingClient,
    SignallingError,
    find_token,
)

_log = logging.getLogger(__name__)

SAMPLE_US = 100_000
STALE_US = 5_000_000  # a call silent for so long makes room for a new one when there is none left


class Relay:
    """Takes the sender's calls (a CallHandler) and places them with the receiver."""

    def __init__(self, config: RelayConfig, clock: Clock, log: RelayLog) -> None:
        """Raises TraceError or ValueError where the configuration's link cannot be made."""
        self._config = config
        self._clock = clock
        self._log = log
        self._receiver = SignallingClient(config.forward, find_token(config.token))
        self._calls: dict[str, RelayCall] = {}
        self._heard: dict[str, tuple[int, int]] = {}  # session -> datagrams so far, and when there was a new one
        self._directions = {
            name: Direction(link, clock, partial(log.dropped, name))
            for name, link in (("up", config.uplink()), ("down", config.downlink()))
        }
        self._opened = 0
        self._timer = clock.call_at(clock.now_us() + SAMPLE_US, self._tick)
        if not config.start_on_call:
            self._start(clock.now_us())

    # -- signalling --------------------------------------------------------------------------------------------------

    async def on_offer(self, offer: Offer, caller: Caller) -> str:
        """Place the call with the receiver; a session that is under way is ended and begun anew."""
        described = _read(offer.sdp, "offer")
        self._end(offer.session, "restarted")
        self._make_room()
        call = RelayCall(offer.session, described, self._carry, self._on_rejected, self._clock.now_us())
        self._calls[call.session] = call
        self._heard[call.session] = (0, call.opened_us)
        self._opened += 1
        self._say("connection_state", state="new")
        try:
            return await self._place(call, offer, described, caller)
        except (Exception, asyncio.CancelledError):
            if self._calls.get(call.session) is call:
                self._end(call.session, "failed")
            raise

    async def _place(self, call: RelayCall, offer: Offer, described: Description, caller: Caller) -> str:
        forward = self._config.forward
        receiver_host = media_address(await local_end(forward), described.candidates)
        try:
            call.open(media_address(caller.local, described.candidates), receiver_host)
        except OSError as error:
            raise PeerUnavailableError(f"netsim has no socket for the call ({error.strerror or error})") from error
        try:
            answer = await self._receiver.offer(rewrite(offer.sdp, call.receiver.address), offer.session)
        except SignallingError as error:
            raise _passed_on(error) from error
        if call.closed:
            raise PeerUnavailableError("the call was ended, or offered anew, before it was answered")
        try:
            call.answered(read_description(answer))
            return rewrite(answer, call.sender.address)
        except SdpError as error:
            raise GarbledReplyError(f"the answer of {forward} cannot be relayed: {error}") from error

    async def on_hang_up(self, session: str) -> None:
        """End a call, here and at the receiver."""
        self._end(session, "ended")
        try:
            await self._receiver.hang_up(session)
        except SignallingError as error:
            raise _passed_on(error) from error

    async def on_status(self, request: web.Request) -> web.Response:
        """GET /status."""
        return web.json_response(self.status())

    # -- calls -------------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> tuple[RelayCall, ...]:
        """The calls under way."""
        return tuple(self._calls.values())

    def _carry(self, direction: str, batch: list[InTransit]) -> None:
        way = self._directions[direction]
        if way.started_us is None:
            before = next((i for i, datagram in enumerate(batch) if kind_of(datagram.data).is_media), len(batch))
            self._log.relayed(direction, batch[:before])
            way.carry(batch[:before])
            if before < len(batch):
                self._start(batch[before].arrived_us)
            batch = batch[before:]
        self._log.relayed(direction, batch)
        way.carry(batch)

    def _start(self, at_us: int) -> None:
        if self._directions["up"].started_us is None:
            for direction in self._directions.values():
                direction.start(at_us)
            self._log.emit(at_us, "notice", by=NETSIM, text="time 0 of the link: traces begin")

    def _on_rejected(self, data: bytes) -> None:
        self._log.rejected(self._clock.now_us(), len(data))

    def _make_room(self) -> None:
        """Of too many calls the one that has been silent longest goes, unless all are alive."""
        if len(self._calls) < self._config.max_calls:
            return
        session = min(self._calls, key=self._silent_since_us)
        if self._clock.now_us() - self._silent_since_us(session) < STALE_US:
            raise PeerUnavailableError(f"{len(self._calls)} calls are under way; end one, or raise --max-calls")
        self._end(session, "made room")

    def _silent_since_us(self, session: str) -> int:
        return self._heard[session][1]

    def _end(self, session: str, reason: str) -> None:
        call = self._calls.pop(session, None)
        if call is not None:
            del self._heard[session]
            call.close()
            self._say("connection_state", state="closed", reason=reason)

    def _tick(self) -> None:
        now_us = self._clock.now_us()
        self._timer = self._clock.call_at(now_us + SAMPLE_US, self._tick)
        self._log.sample(now_us, self._directions["up"])
        for session, call in list(self._calls.items()):
            admitted, since_us = self._heard[session]
            if call.admitted != admitted:
                self._heard[session] = (call.admitted, now_us)
            elif now_us - since_us > self._config.idle_s * 1e6:
                self._end(session, "idle")

    def _say(self, event: str, **facts: str) -> None:
        self._log.emit(self._clock.now_us(), event, by=NETSIM, **facts)

    # -- the process -------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """The values of GET /status."""
        up, now_us = self._directions["up"], self._clock.now_us()
        return {
            "trace_position_s": None if up.started_us is None else round((now_us - up.started_us) / 1e6, 3),
            "calls_so_far": self._opened,
            "calls": [_facts(call, now_us) for call in self._calls.values()],
            **{
                name: asdict(way.stats()) | {"queued_packets": way.queued_packets, "queued_bytes": way.queued_bytes}
                for name, way in self._directions.items()
            },
        }

    async def close(self) -> None:
        """End all calls, with the receiver too if it is there, and stop."""
        self._timer.cancel()
        sessions = list(self._calls)
        for session in sessions:
            self._end(session, "netsim ends")
        for direction in self._directions.values():
            direction.close()
        try:
            async with asyncio.timeout(2.0):
                await asyncio.gather(*map(self._receiver.hang_up, sessions), return_exceptions=True)
        except TimeoutError:
            _log.info("%s does not answer; its calls end by themselves", self._config.forward)
        await self._receiver.close()


def _read(sdp: str, what: str) -> Description:
    try:
        return read_description(sdp)
    except SdpError as error:
        raise OfferRefusedError(f"{what}: {error}") from error


def _passed_on(error: SignallingError) -> SignallingError:
    """The receiver's refusal as the sender gets it: the same, unless the relay's own token was refused."""
    if isinstance(error, OfferRefusedError) and error.status == 401:
        return OfferRefusedError(f"netsim was refused by the receiver: {error}", 403)
    return error


def _facts(call: RelayCall, now_us: int) -> dict[str, object]:
    return {
        "session": call.session,
        "age_s": round((now_us - call.opened_us) / 1e6, 3),
        **{
            name: {"listens_at": side.address, "peer": side.latch.address, **asdict(side.counts)}
            for name, side in (("sender", call.sender), ("receiver", call.receiver))
        },
    }
