"""Takes calls: gives offers that come over HTTP to a handler, and returns its answers.

Owns the token, limits and the form of errors.

POST /offer          {"sdp", "type": "offer", "session"} -> {"sdp", "type": "answer"}
DELETE /session/ID   ends a call
GET /health          {"status": "ok"}; the only one without token
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from grace_transport.signalling.address import is_loopback
from grace_transport.signalling.errors import OfferRefusedError, PeerUnavailableError, SignallingError
from grace_transport.signalling.messages import MAX_BODY_BYTES, SESSION_PATTERN, Answer, Fault, Offer, read_message
from grace_transport.signalling.tokens import TOKEN_VARIABLE, check_open_door, is_authorized

_log = logging.getLogger(__name__)

BODY_TIMEOUT_S = 10.0
HANDLER_TIMEOUT_S = 40.0  # longer than a client waits, so that the client ends a slow call
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Caller:
    """The two ends of the HTTP connection an offer came by: addresses without ports, "" where unknown."""

    remote: str
    local: str


class CallHandler(Protocol):
    """Takes the calls. A SignallingError that it raises becomes the reply; any other exception is a bug (500)."""

    async def on_offer(self, offer: Offer, caller: Caller) -> str:
        """The answer's SDP. An offer for a session that is known restarts it."""
        ...

    async def on_hang_up(self, session: str) -> None:
        """The caller ended `session`, which may be unknown."""
        ...


class SignallingServer:
    """An HTTP server for one handler. With a token every request but /health must carry it."""

    def __init__(
        self,
        handler: CallHandler,
        token: str | None = None,
        *,
        no_token: bool = False,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        """`no_token` allows to listen beyond loopback without a token. `routes` are served under the same guards."""
        self._handler = handler
        self._token = token
        self._no_token = no_token
        self._routes = tuple(routes)
        self._runner: web.AppRunner | None = None
        self.port = 0  # the port that is listened on, once started

    async def start(self, host: str, port: int) -> None:
        """Listen on an address; port 0 takes a free one.

        Raises ValueError if anyone could call without a token, and OSError if the address cannot be had."""
        check_open_door(host, self._token, self._no_token)
        # Without a token the only guard is that callers are on this machine; but so is a web page in its browser.
        guards = [_only_loopback_names] if self._token is None and is_loopback(host) else []
        app = web.Application(middlewares=[_errors_as_json, *guards, self._authorize], client_max_size=MAX_BODY_BYTES)
        app.add_routes(
            [
                web.post("/offer", self._offer),
                web.delete("/session/{session}", self._hang_up),
                web.get("/health", self._health),
                *self._routes,
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen on {host}:{port} ({reason}); is another one running?") from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections. Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _authorize(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        needed = self._token if request.path != "/health" else None
        if needed is not None and not is_authorized(request.headers.get("Authorization"), needed):
            raise OfferRefusedError(f"wrong or missing token; give both ends the same {TOKEN_VARIABLE}", 401)
        return await handler(request)

    async def _offer(self, request: web.Request) -> web.Response:
        # This also keeps foreign web pages out: browsers send this type only after a preflight request, which fails.
        if request.content_type != "application/json":
            raise OfferRefusedError("an offer is application/json", 415)
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
        try:
            offer = read_message(Offer, body)
        except ValueError as error:
            raise OfferRefusedError(str(error)) from error
        async with asyncio.timeout(HANDLER_TIMEOUT_S):
            sdp = await self._handler.on_offer(offer, _caller(request))
        return _json(Answer(sdp=sdp))

    async def _hang_up(self, request: web.Request) -> web.Response:
        session = request.match_info["session"]
        if not re.fullmatch(SESSION_PATTERN, session):
            raise OfferRefusedError("a session is 8 to 64 letters, digits, - and _")
        async with asyncio.timeout(HANDLER_TIMEOUT_S):
            await self._handler.on_hang_up(session)
        return web.json_response({})

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


def _caller(request: web.Request) -> Caller:
    transport = request.transport
    local = transport.get_extra_info("sockname") if transport is not None else None
    return Caller(remote=request.remote or "", local=str(local[0]) if local else "")


def _json(message: Answer | Fault, status: int = 200) -> web.Response:
    return web.Response(text=message.model_dump_json(), content_type="application/json", status=status)


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SignallingError as error:
        return _json(Fault(error=str(error)[:2_000]), error.status)
    except TimeoutError:
        late = PeerUnavailableError("the call was not answered in time; try again", 504)
        return _json(Fault(error=str(late)), late.status)
    except web.HTTPException as error:
        return _json(Fault(error=f"{error.reason} ({request.method} {request.path[:100]})"), error.status)
    except Exception:
        _log.exception("signalling: %s %s failed", request.method, request.path)
        return _json(Fault(error="internal error; the log of the other end says more"), 500)


@web.middleware
async def _only_loopback_names(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse foreign host names: a web page that rebinds its own name to 127.0.0.1 still sends that name."""
    host = request.url.host or ""
    if not is_loopback(host):
        raise OfferRefusedError(f"without a token calls come by 127.0.0.1 or localhost, not by {host[:100]!r}", 403)
    return await handler(request)
