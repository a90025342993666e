"""A packet inside the link, and the bytes that it is charged."""

from __future__ import annotations

from collections.abc import Callable, Sized

from typing_extensions import TypeVar

from grace_netsim.trace.opportunities import OPPORTUNITY_BYTES

Datagram = TypeVar("Datagram", bound=Sized, default=bytes)
"""What a link carries: anything whose length is that of its UDP payload in bytes. The link never looks into it."""

OVERHEAD_BYTES = 32  # IPv4 (20) and UDP (8) headers, and the 4 bytes of TUN header
MAX_PAYLOAD_BYTES = OPPORTUNITY_BYTES - OVERHEAD_BYTES

Packet = tuple[Datagram, int, int]
"""Datagram, charged bytes, arrival in microseconds. A plain tuple, because the link makes one for every datagram."""

OnDrop = Callable[[Packet[Datagram], int, str], None]
"""Called with a dropped packet, the time in microseconds and the reason."""


def charged_bytes(payload_bytes: int) -> int:
    """The bytes that a UDP datagram is charged. Raises ValueError above 1472 bytes: it would not fit an opportunity."""
    if not 0 <= payload_bytes <= MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"a UDP payload of {payload_bytes} bytes does not fit a {OPPORTUNITY_BYTES}-byte delivery opportunity: "
            f"use 0 to {MAX_PAYLOAD_BYTES} bytes"
        )
    return payload_bytes + OVERHEAD_BYTES
