"""Addresses as people write them: HOST:PORT to listen on, http://HOST:PORT to call."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def parse_host_port(text: str) -> tuple[str, int]:
    """`127.0.0.1:8080`, `[::1]:8080`, `name:8080`; `:8080` is every address.

    Raises ValueError, which says what to write instead."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no HOST:PORT; write something like 127.0.0.1:8080")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address goes into brackets, [{host}]:{port}")
    return host or "0.0.0.0", int(port)


def base_url(text: str) -> str:
    """An address without its trailing slash. Raises ValueError unless it is http:// or https:// and a host."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{text!r} is no address of a peer; write something like http://127.0.0.1:8080")
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: a loopback address or `localhost`. Other names may mean any host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
