"""ICE servers as people write them are used as meant, or refused before anybody is called."""

from __future__ import annotations

import pytest

from grace_transport.signalling.ice import IceServer, check_ice_servers, parse_ice_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("stun:stun.example.org", IceServer("stun:stun.example.org")),
        ("stun:192.0.2.1:3478", IceServer("stun:192.0.2.1:3478")),
        ("turn:alice:s3cret@turn.example.org", IceServer("turn:turn.example.org", "alice", "s3cret")),
        (
            "turn:alice:s3cret@192.0.2.1:3478?transport=udp",
            IceServer("turn:192.0.2.1:3478?transport=udp", "alice", "s3cret"),
        ),
        ("turns:a%40b:p%3Aq@h:443?transport=tcp", IceServer("turns:h:443?transport=tcp", "a@b", "p:q")),
    ],
)
def test_server_and_credentials_are_told_apart(text: str, server: IceServer) -> None:
    assert parse_ice_server(text) == server


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stun.l.google.com:19302", "write stun:stun.l.google.com:19302"),
        ("http://stun.example.org", "write stun:stun.example.org:3478 or turn:"),
        ("", "no ICE server"),
        ("stun:[2001:db8::1]:3478", "IPv4 only"),
        ("turn:turn.example.org", "credentials; write turn:USER:PASSWORD@turn.example.org"),
        ("stun:alice:x@h", "takes neither credentials"),
        ("stun:h?transport=udp", "takes neither credentials nor a transport"),
        ("stun:h:99999", "no port"),
        ("stuns:h", "write stun:h"),
        ("turns:a:b@h?transport=udp", "leave [?]transport=udp out"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_ice_server(text)


def test_password_is_never_repeated() -> None:
    with pytest.raises(ValueError, match="…@h") as error:
        parse_ice_server("turn:alice:s3cret@h:70000")
    assert "s3cret" not in str(error.value)


def test_more_servers_than_are_asked_are_refused() -> None:
    servers = ("stun:a", "turn:u:p@b")
    assert check_ice_servers(servers) == servers
    with pytest.raises(ValueError, match="one STUN and one TURN server"):
        check_ice_servers(("stun:a", "stun:b"))
