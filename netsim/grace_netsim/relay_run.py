"""The relay's process: its loop, its signals, its log file and its HTTP server."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from grace_netsim.live_log import NETSIM, LiveLog
from grace_netsim.relay import Relay
from grace_netsim.relay_config import RelayConfig
from grace_netsim.relay_log import RelayLog
from grace_transport.clock import AsyncioClock
from grace_transport.signalling import SignallingServer, parse_host_port

OnReady = Callable[[str], None]


def run(config: RelayConfig, log_path: Path | None, uvloop: bool, on_ready: OnReady) -> None:
    """Run until SIGINT or SIGTERM. Raises NetsimError, ValueError or OSError with what the user did wrong."""
    for direction in (config.uplink, config.downlink):
        direction()  # what is wrong with a trace shows before a log is begun
    log = None if log_path is None else LiveLog.to_file(log_path)
    try:
        if uvloop:
            import uvloop as loops

            with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
                runner.run(serve(config, log, on_ready))
        else:
            asyncio.run(serve(config, log, on_ready))
    finally:
        if log is not None:
            log.close()
            if log.error is not None:
                print(f"grace-rtc: the log {log_path} is not complete: {log.error}", file=sys.stderr)


async def serve(config: RelayConfig, log: LiveLog | None, on_ready: OnReady) -> None:
    """The relay on the running loop until a signal asks it to end; then it ends its calls."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    clock, lines = AsyncioClock(), RelayLog(log, config.capacity())
    relay = Relay(config, clock, lines)
    server = relay_server(relay, config)
    try:
        host, port = parse_host_port(config.listen)
        await server.start(host, port)
        lines.emit(clock.now_us(), "process_started", by=NETSIM, port=server.port, **_facts(config))
        url = f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
        on_ready(f"netsim ready at {url}, calls go to {config.forward}; GET {url}/status")
        await stop.wait()
    finally:
        await server.stop()
        await relay.close()
        lines.emit(clock.now_us(), "process_ended", by=NETSIM, reason="signal" if stop.is_set() else "error")


def relay_server(relay: Relay, config: RelayConfig) -> SignallingServer:
    """The relay's HTTP side, with GET /status."""
    token = None if config.token is None else config.token.get_secret_value()
    routes = [web.get("/status", relay.on_status)]
    return SignallingServer(relay, token, no_token=config.no_token, routes=routes)


def _facts(config: RelayConfig) -> dict[str, str | float | int]:
    return {
        "trace": config.trace_up or "none",
        "trace_down": config.trace_down or "none",
        "owd_ms": config.owd_ms,
        "queue_packets": config.queue_packets,
        "loss": config.loss,
        "seed": config.seed,
        "service": config.service,
    }
