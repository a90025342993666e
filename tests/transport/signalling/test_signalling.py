"""Signalling laws: what is refused, what is said, and what a caller may try again. Real HTTP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_transport.signalling import (
    Caller,
    GarbledReplyError,
    Offer,
    OfferRefusedError,
    PeerUnavailableError,
    PeerUnreachableError,
    SignallingClient,
    SignallingError,
    SignallingServer,
    base_url,
    find_token,
    is_loopback,
    parse_host_port,
)
from grace_transport.signalling.messages import MAX_BODY_BYTES, Answer, read_message
from grace_transport.signalling.tokens import check_open_door, is_authorized

SDP = "v=0\r\ns=-\r\n"
TOKEN = "a-shared-secret"
SESSION = "session-1"


class Echo:
    """Answers each offer with its own SDP, or raises what it was told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.offers: list[tuple[Offer, Caller]] = []
        self.ended: list[str] = []

    async def on_offer(self, offer: Offer, caller: Caller) -> str:
        self.offers.append((offer, caller))
        if self.error is not None:
            raise self.error
        return offer.sdp

    async def on_hang_up(self, session: str) -> None:
        self.ended.append(session)


@asynccontextmanager
async def served(handler: Echo, token: str | None = TOKEN) -> AsyncIterator[str]:
    server = SignallingServer(handler, token)
    await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


async def test_offer_is_answered_and_session_ended() -> None:
    handler = Echo()
    async with served(handler) as url, SignallingClient(url + "/", TOKEN) as client:
        await client.health()
        assert await client.offer(SDP, SESSION) == SDP
        await client.hang_up(SESSION)
    assert handler.offers == [(Offer(sdp=SDP, session=SESSION), Caller("127.0.0.1", "127.0.0.1"))]
    assert handler.ended == [SESSION]


@pytest.mark.parametrize("token", [None, "another-secret", TOKEN + "x"])
async def test_wrong_token_is_refused_and_health_needs_none(token: str | None) -> None:
    handler = Echo()
    async with served(handler) as url, SignallingClient(url, token) as client:
        await client.health()
        with pytest.raises(OfferRefusedError, match="GRACE_TOKEN") as refusal:
            await client.offer(SDP, SESSION)
        with pytest.raises(OfferRefusedError):
            await client.hang_up(SESSION)
    assert refusal.value.status == 401
    assert not handler.offers
    assert not handler.ended


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        (PeerUnreachableError("the receiver is down"), PeerUnavailableError, "the receiver is down"),
        (PeerUnavailableError("too many calls"), PeerUnavailableError, "too many calls"),
        (OfferRefusedError("no video in the offer"), OfferRefusedError, "no video in the offer"),
        (RuntimeError("secret detail"), PeerUnavailableError, "internal error"),
        (TimeoutError(), PeerUnavailableError, "not answered in time"),
    ],
)
async def test_what_the_handler_raises_is_the_reply(
    raised: Exception, expected: type[SignallingError], text: str
) -> None:
    async with served(Echo(raised)) as url, SignallingClient(url, TOKEN) as client:
        with pytest.raises(expected, match=text) as failure:
            await client.offer(SDP, SESSION)
    assert "secret detail" not in str(failure.value)
    assert url in str(failure.value)


async def test_nobody_there_may_be_tried_again() -> None:
    async with served(Echo()) as url:
        pass
    async with SignallingClient(url, TOKEN) as client:
        with pytest.raises(PeerUnreachableError, match="start the peer") as failure:
            await client.offer(SDP, SESSION)
    assert failure.value.retry


@asynccontextmanager
async def stranger(reply: bytes) -> AsyncIterator[str]:
    """A server that sends `reply` whatever it is asked, or nothing at all."""
    left = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if reply:
            writer.write(reply)
        else:
            await reader.read()
        writer.close()
        with suppress(ConnectionError):  # the client hangs up on a reply without end
            await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await left.wait()
    server.close()
    await server.wait_closed()


async def test_silent_peer_is_given_up() -> None:
    async with stranger(b"") as url, SignallingClient(url, timeout_s=0.2) as client:
        with pytest.raises(PeerUnreachableError, match="no reply within"):
            await client.health()


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + bytes(MAX_BODY_BYTES + 20_000),
    ],
    ids=["ssh", "text", "404", "redirect", "endless"],
)
async def test_stranger_is_no_peer(reply: bytes) -> None:
    async with stranger(reply) as url, SignallingClient(url, TOKEN) as client:
        with pytest.raises(GarbledReplyError, match="no grace-rtc peer") as failure:
            await client.offer(SDP, SESSION)
    assert not failure.value.retry


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"sdp":"hello","type":"offer","session":"session-1"}', {}, 400),
        (b'{"sdp":"v=0\\r\\n","type":"answer","session":"session-1"}', {}, 400),
        (b'{"sdp":"v=0\\r\\n","type":"offer","session":"../../etc"}', {}, 400),
        (b'{"sdp":"v=0\\r\\n","type":"offer","session":"session-1\\n"}', {}, 400),
        (b" " * (MAX_BODY_BYTES + 1), {}, 413),
        (b'{"sdp":"v=0\\r\\n","type":"offer","session":"session-1"}', {"Content-Type": "text/plain"}, 415),
    ],
)
async def test_bad_offer_is_a_clear_refusal(body: bytes, headers: dict[str, str], status: int) -> None:
    handler = Echo()
    async with served(handler) as url, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        async with http.post(url + "/offer", data=body, headers=headers) as response:
            assert response.status == status
            assert (await response.json())["error"]
        async with http.get(url + "/nowhere", headers=headers) as response:
            assert response.status == 404
            assert "/nowhere" in (await response.json())["error"]
    assert handler.offers == []


async def test_without_token_a_foreign_name_is_refused() -> None:
    async with served(Echo(), None) as url, aiohttp.ClientSession() as http:
        async with http.get(url + "/health", headers={"Host": "evil.example"}) as response:
            assert response.status == 403
        async with http.get(url + "/health", headers={"Host": "localhost:1"}) as response:
            assert response.status == 200


async def test_beyond_loopback_a_token_is_needed_or_its_want_said() -> None:
    with pytest.raises(ValueError, match="--no-token"):
        await SignallingServer(Echo()).start("0.0.0.0", 0)
    server = SignallingServer(Echo(), no_token=True)
    await server.start("0.0.0.0", 0)
    await server.stop()


async def test_address_in_use_says_so() -> None:
    async with served(Echo()) as url:
        with pytest.raises(OSError, match="is another one running"):
            await SignallingServer(Echo(), TOKEN).start("127.0.0.1", int(url.rsplit(":", 1)[1]))


def test_open_door_law() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        check_open_door(host, None, no_token=False)
    for host in ("0.0.0.0", "::", "10.0.0.1", "receiver"):
        check_open_door(host, TOKEN, no_token=False)
        check_open_door(host, None, no_token=True)
        with pytest.raises(ValueError, match="without a token"):
            check_open_door(host, None, no_token=False)


def test_token_is_of_the_flag_then_of_the_environment() -> None:
    assert find_token("flag-token", {"GRACE_TOKEN": "env-token"}) == "flag-token"
    assert find_token(None, {"GRACE_TOKEN": "env-token"}) == "env-token"
    assert find_token(None, {"GRACE_TOKEN": ""}) is None
    assert find_token(None, {}) is None
    for bad in ("short", "with space inside", "line\nbreak--", "ümlaut-token"):
        with pytest.raises(ValueError, match="openssl rand"):
            find_token(bad, {})


def test_addresses_as_people_write_them() -> None:
    assert parse_host_port("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert parse_host_port("[::1]:0") == ("::1", 0)
    assert parse_host_port(":9") == ("0.0.0.0", 9)
    assert base_url("http://[::1]:80/") == "http://[::1]:80"
    assert is_loopback("localhost")
    assert not is_loopback("localhost.evil.example")
    for bad in ("8080", "host:", "host:99999", "::1:80", "host:²", ""):
        with pytest.raises(ValueError, match=r"127\.0\.0\.1:8080|brackets"):
            parse_host_port(bad)
    for bad in ("", "ftp://x", "http://", "127.0.0.1:80", "http://x?y", "http://u@x", "http://[x", "http://x:99999"):
        with pytest.raises(ValueError, match="no address of a peer"):
            base_url(bad)


@given(st.text(), st.text())
def test_any_text_is_an_address_or_a_value_error(host_port: str, url: str) -> None:
    for parse, text in ((parse_host_port, host_port), (base_url, url), (base_url, "http://" + url)):
        try:
            parse(text)
        except ValueError:
            continue


@given(st.text() | st.just(f"Bearer {TOKEN}"))
def test_only_the_token_opens(header: str) -> None:
    assert is_authorized(header, TOKEN) == (header == f"Bearer {TOKEN}")
    assert not is_authorized(None, TOKEN)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_message_or_a_value_error(body: bytes) -> None:
    for model in (Offer, Answer):
        with pytest.raises(ValueError, match=model.__name__.lower()):
            read_message(model, body)
