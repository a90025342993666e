"""The shared secret of a call's processes: where it comes from, and when it may be missing."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping

from grace_transport.signalling.address import is_loopback

TOKEN_VARIABLE = "GRACE_TOKEN"
_FORM = re.compile(r"[!-~]{8,256}")


def find_token(given: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token of the flag, or of GRACE_TOKEN, or None. ValueError where it cannot stand in an HTTP header."""
    token = given if given is not None else environment.get(TOKEN_VARIABLE) or None
    if token is not None and not _FORM.fullmatch(token):
        raise ValueError(
            "the token must be 8 to 256 printable ASCII characters without spaces: "
            f"make one with `openssl rand -hex 16` and give it to all processes in {TOKEN_VARIABLE}"
        )
    return token


def check_open_door(host: str, token: str | None, no_token: bool) -> None:
    """ValueError where anyone who reaches `host` could place calls and nobody said so."""
    if token is None and not no_token and not is_loopback(host):
        raise ValueError(
            f"listening on {host} without a token lets everyone who reaches it place calls: set {TOKEN_VARIABLE} or "
            "--token for all processes, listen on 127.0.0.1, or say --no-token"
        )


def is_authorized(header: str | None, token: str) -> bool:
    """Whether an Authorization header carries the token; takes as long for a near miss as for a far one."""
    expected = f"Bearer {token}".encode("ascii")
    return hmac.compare_digest((header or "").encode("utf-8", "surrogateescape"), expected)
