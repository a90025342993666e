"""Finds the address of this machine that a peer is told to send to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from grace_netsim.relay.latch import Address


def media_address(signalling: str, candidates: Iterable[Address]) -> str:
    """`signalling`: the local end of the connection to a peer; if that tells nothing, the way to `candidates` does.

    ICE ends have no candidates on 127.0.0.1, so that two of one machine meet on its outer address."""
    local = _plain(signalling)
    offered = list(candidates)
    if local is not None and _can_pair(local, offered):
        return local
    for host, port in sorted(offered, key=lambda address: ":" in address[0]):  # IPv4 first
        if (found := _plain(local_address_to(host, port))) is not None:
            return found
    return signalling if _is_address(signalling) else "127.0.0.1"


async def local_end(url: str) -> str:
    """The address from which this machine would talk to the host of `url`; "" where there is no way to it."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError:
        return ""
    return next((local for *_, name in found if (local := local_address_to(str(name[0]), port))), "")


def local_address_to(host: str, port: int) -> str:
    """By the routing table; nothing is sent. "" where there is no route."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _plain(text: str) -> str | None:
    """An address that another candidate can be paired with: not loopback, not link-local, IPv4 written as such."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return None if ip.is_loopback or ip.is_link_local or ip.is_unspecified else str(ip)


def _can_pair(local: str, offered: list[Address]) -> bool:
    """ICE pairs candidates of one address family only."""
    return not offered or any((":" in host) == (":" in local) for host, _ in offered)


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
