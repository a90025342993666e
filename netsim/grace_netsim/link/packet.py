"""What a packet is inside the link, and what it is charged. Knows no queue, service or time line."""

from __future__ import annotations

from collections.abc import Callable

OPPORTUNITY_BYTES = 1504  # mahimahi: an Ethernet MTU of 1500 and 4 bytes of TUN header
OVERHEAD_BYTES = 32  # IPv4 (20) and UDP (8) headers, and the 4 bytes of TUN header
MAX_PAYLOAD_BYTES = OPPORTUNITY_BYTES - OVERHEAD_BYTES

NEVER_US = 1 << 62  # later than any time a clock gives

# A plain tuple, since a link makes one per datagram: UDP payload, charged bytes, arrival in microseconds.
Packet = tuple[bytes, int, int]

# Called with the packet, the time and the reason.
OnDrop = Callable[[Packet, int, str], None]


def charged_bytes(payload_bytes: int) -> int:
    """What one UDP datagram costs the link. ValueError above 1472 bytes: it would be larger than an opportunity."""
    if not 0 <= payload_bytes <= MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"a UDP payload of {payload_bytes} bytes does not fit a {OPPORTUNITY_BYTES}-byte delivery opportunity: "
            f"use 0 to {MAX_PAYLOAD_BYTES} bytes"
        )
    return payload_bytes + OVERHEAD_BYTES
