"""Places a call: one offer over HTTP, one answer back. It never retries; `SignallingError.retry` says who may."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import aiohttp

from grace_transport.signalling.address import base_url
from grace_transport.signalling.errors import (
    GarbledReplyError,
    OfferRefusedError,
    PeerUnavailableError,
    PeerUnreachableError,
    SignallingError,
)
from grace_transport.signalling.messages import MAX_BODY_BYTES, Answer, Fault, Offer, read_message

ANSWER_TIMEOUT_S = 30.0  # the other end may have to load a codec first
CONNECT_TIMEOUT_S = 5.0


class SignallingClient:
    """A client of one server. Close it, or use `async with`. Its requests raise SignallingError and nothing else."""

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """`url` is like http://host:port. Raises ValueError for anything else."""
        self.url = base_url(url)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._http: aiohttp.ClientSession | None = None

    async def offer(self, sdp: str, session_id: str) -> str:
        """Send an offer, return the answer's SDP. `session_id` names the call, by which it is restarted or ended."""
        offer = Offer(sdp=sdp, session=session_id)
        body = await self._ask("POST", "/offer", offer.model_dump_json().encode())
        try:
            return read_message(Answer, body).sdp
        except ValueError as error:
            raise self._garbled(str(error)) from error

    async def hang_up(self, session_id: str) -> None:
        """End the call `session_id`. It is no error if there is no such call."""
        await self._ask("DELETE", f"/session/{session_id}")

    async def health(self) -> None:
        """Returns if the server is up."""
        await self._ask("GET", "/health")

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout)
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        try:
            # No redirects: the token must not go to another server.
            async with self._http.request(
                method, self.url + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                reply = await _bounded(response.content)
                status = response.status
        except TimeoutError as error:
            seconds = self._timeout.total
            raise PeerUnreachableError(f"{self.url}: no reply within {seconds:g} s; is the peer stuck?") from error
        except aiohttp.ClientConnectionError as error:
            reason = getattr(error, "os_error", None) or error
            text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            hint = "start the peer there, or give its address"
            raise PeerUnreachableError(f"{self.url}: cannot be reached ({text}); {hint}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise self._garbled(str(error)) from error
        if reply is None:
            raise self._garbled(f"a reply of more than {MAX_BODY_BYTES} bytes")
        if not 200 <= status < 300:
            raise self._failure(status, reply)
        return reply

    def _failure(self, status: int, reply: bytes) -> SignallingError:
        try:
            reason = read_message(Fault, reply).error
        except ValueError:
            return self._garbled(f"HTTP status {status}")
        kind = PeerUnavailableError if status >= 500 else OfferRefusedError
        return kind(f"{self.url}: {reason}", status)

    def _garbled(self, reason: str) -> GarbledReplyError:
        return GarbledReplyError(f"{self.url}: this is no grace-rtc peer ({reason[:300]}); check host, port and path")


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    """The whole body, or None if it is larger than any message."""
    body = bytearray()
    async for chunk in content.iter_chunked(16_384):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
        await asyncio.sleep(0)
    return bytes(body)
