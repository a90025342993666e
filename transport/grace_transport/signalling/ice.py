"""STUN and TURN servers as people write them, checked before anybody is called (RFC 7064, RFC 7065)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_FORM: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:(?P<user>[^@:]+):(?P<password>[^@]+)@)?"
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[0-9A-Za-z][0-9A-Za-z.-]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
EXAMPLE: Final = "stun:stun.example.org:3478 or turn:USER:PASSWORD@turn.example.org:3478?transport=udp"


@dataclass(frozen=True, slots=True)
class IceServer:
    """`url` without the credentials, as an ICE agent takes it. A TURN server has a user name and a password."""

    url: str
    username: str | None = None
    password: str | None = None


def parse_ice_server(text: str) -> IceServer:
    """`stun:HOST:PORT` or `turn:USER:PASSWORD@HOST:PORT?transport=udp`; letters in the credentials may be %-encoded.

    Raises ValueError, which never repeats a password, for what the ICE agent could not use."""
    found = _FORM.fullmatch(text.strip())
    shown = re.sub(r":[^:@]*@", ":…@", text)
    if found is None:
        advice = f"write stun:{text}" if re.fullmatch(r"[0-9A-Za-z.-]+(:[0-9]+)?", text) else f"write {EXAMPLE}"
        raise ValueError(f"{shown!r} is no ICE server; {advice}")
    scheme, host, port = found["scheme"], found["host"], found["port"]
    if port is not None and not 0 < int(port) < 65_536:
        raise ValueError(f"{shown!r}: {port} is no port")
    if scheme == "stuns":
        raise ValueError(f"{shown!r}: STUN over TLS is not supported; write stun:{host}")
    if host.startswith("["):
        ipaddress.IPv6Address(host[1:-1])
        raise ValueError(f"{shown!r}: ICE servers are asked over IPv4 only; give a name or an IPv4 address")
    turn = scheme.startswith("turn")
    if turn and found["user"] is None:
        raise ValueError(f"{shown!r}: a TURN server wants credentials; write {scheme}:USER:PASSWORD@{host}")
    if not turn and (found["user"] is not None or found["transport"] is not None):
        raise ValueError(f"{shown!r}: a STUN server takes neither credentials nor a transport; write stun:{host}")
    if scheme == "turns" and found["transport"] == "udp":
        raise ValueError(f"{shown!r}: TURN over TLS runs on TCP; leave ?transport=udp out")
    url = f"{scheme}:{host}" + (f":{port}" if port else "")
    if found["transport"]:
        url += f"?transport={found['transport']}"
    if not turn:
        return IceServer(url)
    return IceServer(url, unquote(found["user"]), unquote(found["password"]))


def check_ice_servers(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts as they are. Raises ValueError where one of them is wrong, or where there are more than can be used."""
    kinds = [parse_ice_server(text).url[:4] for text in texts]
    if len(set(kinds)) < len(kinds):
        raise ValueError("the ICE agent asks one STUN and one TURN server; give no more than one of each")
    return texts
