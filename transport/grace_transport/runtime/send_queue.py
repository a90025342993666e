"""Packets on their way from a machine to a DTLS transport: a bounded queue and the task that empties it.

A machine hands out packets synchronously; aiortc's transport takes them in a coroutine, which may have to wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

MAX_PACKETS = 2048  # about a second at 20 Mbit/s; the pacer before the queue keeps it almost empty

_logger = logging.getLogger(__name__)


class SendQueue:
    """A queue to `send`, in order. Packets that do not fit are dropped and counted, as a network would drop them.

    send: raises ConnectionError once the transport is gone, which ends the queue. on_sent: called after each packet.
    dropped: packets that were not sent. broken: the transport is gone, or the queue was closed.
    All methods are called on the event loop's thread."""

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], on_sent: Callable[[bytes], None] | None = None
    ) -> None:
        self._send = send
        self._on_sent = on_sent
        self._waiting: deque[bytes] = deque()
        self._awake = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())
        self.dropped = 0
        self.broken = False

    def put(self, data: bytes) -> None:
        """Queue one packet; never raises and never waits."""
        if self.broken or len(self._waiting) >= MAX_PACKETS:
            self.dropped += 1
            return
        self._waiting.append(data)
        self._awake.set()

    async def close(self) -> None:
        """Stop sending; packets that wait are not sent. Idempotent."""
        self.broken = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self.broken:
            while self._waiting:
                await self._send_one(self._waiting.popleft())
            self._awake.clear()
            await self._awake.wait()

    async def _send_one(self, data: bytes) -> None:
        try:
            await self._send(data)
        except ConnectionError:
            self.broken = True
            self._waiting.clear()
        except Exception:
            self.dropped += 1
            _logger.exception("a packet of %d bytes was not sent", len(data))
        else:
            if self._on_sent is not None:
                self._on_sent(data)
