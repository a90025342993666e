"""The little of STUN (RFC 8489) that a relay must read: who asks, and whether it knows the password. Never raises."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

_HEADER: Final = Struct("!HHI12s")
_ATTRIBUTE: Final = Struct("!HH")
_COOKIE: Final = 0x2112A442
_BINDING_REQUEST: Final = 0x0001
_USERNAME: Final = 0x0006
_MESSAGE_INTEGRITY: Final = 0x0008
_USE_CANDIDATE: Final = 0x0025  # RFC 8445 7.1.2
_INTEGRITY_BYTES: Final = 24  # the attribute with its header


@dataclass(frozen=True, slots=True)
class StunMessage:
    """`username` is of binding requests: "asked:asking", two ICE user fragments."""

    is_request: bool
    transaction: bytes
    username: str = ""
    nominates: bool = False
    signed: bytes = b""  # what the integrity covers, with the length as it was then; b"": none there
    signature: bytes = b""


def read_stun(data: bytes) -> StunMessage | None:
    """A STUN message, or None where these bytes are none."""
    if len(data) < _HEADER.size:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if cookie != _COOKIE or length != len(data) - _HEADER.size or length % 4:
        return None
    username, nominates, signed, signature = "", False, b"", b""
    pos = _HEADER.size
    while pos + 4 <= len(data) and not signed:  # what follows the signature is not signed
        attribute, size = _ATTRIBUTE.unpack_from(data, pos)
        value = data[pos + 4 : pos + 4 + size]
        if len(value) < size:
            return None
        if attribute == _USERNAME:
            username = value.decode("utf-8", "replace")
        elif attribute == _USE_CANDIDATE:
            nominates = True
        elif attribute == _MESSAGE_INTEGRITY:
            signed_length = pos + _INTEGRITY_BYTES - _HEADER.size
            signed, signature = data[:2] + signed_length.to_bytes(2, "big") + data[4:pos], value
        pos += 4 + size + -size % 4
    return StunMessage(kind == _BINDING_REQUEST, transaction, username, nominates, signed, signature)


def is_authentic(message: StunMessage, passwords: Mapping[str, str]) -> bool:
    """Whether a binding request is signed with the password of the user fragment it asks for (RFC 8445 7.2.2)."""
    password = passwords.get(message.username.partition(":")[0])
    if not message.is_request or not message.signed or password is None:
        return False
    return hmac.compare_digest(hmac.digest(password.encode(), message.signed, "sha1"), message.signature)
