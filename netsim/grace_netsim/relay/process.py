"""The relay's process: its loop, its signals and its HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from grace_netsim.relay.config import RelayConfig
from grace_netsim.relay.log import NETSIM, RelayLog
from grace_netsim.relay.relay import Relay
from grace_transport.clock import AsyncioClock
from grace_transport.event_log import EventLog, Fact
from grace_transport.runtime.process import run, signals_as_calls
from grace_transport.signalling import SignallingServer, find_token, parse_host_port

Say = Callable[[str], None]


def run_netsim(config: RelayConfig, log: EventLog | None, on_ready: Say) -> None:
    """Run until SIGINT or SIGTERM. Raises NetsimError, ValueError or OSError with what the user did wrong."""
    run(serve(config, log, on_ready), config.event_loop)


async def serve(config: RelayConfig, log: EventLog | None, on_ready: Say) -> None:
    """The relay on the running loop until a signal asks it to end; then it ends its calls."""
    clock, lines = AsyncioClock(), RelayLog(log, config.capacity())
    relay = Relay(config, clock, lines)
    server = relay_server(relay, config)
    signals = asyncio.Queue[str]()
    reason = "error"
    with signals_as_calls(signals.put_nowait):
        try:
            host, port = parse_host_port(config.listen)
            await server.start(host, port)
            lines.emit(clock.now_us(), "process_started", by=NETSIM, port=server.port, **_facts(config))
            url = f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
            on_ready(f"netsim ready at {url}, calls go to {config.forward}; GET {url}/status")
            reason = await signals.get()
        finally:
            await server.stop()
            await relay.close()
            lines.emit(clock.now_us(), "process_ended", by=NETSIM, reason=reason)


def relay_server(relay: Relay, config: RelayConfig) -> SignallingServer:
    """The relay's HTTP side, with GET /status."""
    routes = [web.get("/status", relay.on_status)]
    return SignallingServer(relay, find_token(config.token), no_token=config.no_token, routes=routes)


def _facts(config: RelayConfig) -> dict[str, Fact]:
    facts = config.model_dump(mode="json", exclude={"token", "no_token", "listen", "forward", "json_log", "outage"})
    return facts | {"outage": " ".join(f"{at_s:g}:{seconds:g}" for at_s, seconds in config.outage)}
