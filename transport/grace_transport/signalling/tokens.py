"""The shared secret of a call's processes: where it is taken from, and when a server may do without."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping

from grace_transport.signalling.address import is_loopback

TOKEN_VARIABLE = "GRACE_TOKEN"
_FORM = re.compile(r"[!-~]{8,256}")


def find_token(given: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token from the flag `given`, else from GRACE_TOKEN, else None. Raises ValueError if its form is wrong."""
    token = given if given is not None else environment.get(TOKEN_VARIABLE) or None
    if token is not None and not _FORM.fullmatch(token):
        raise ValueError(
            "the token must be 8 to 256 printable ASCII characters without spaces: "
            f"make one with `openssl rand -hex 16` and give it to all processes in {TOKEN_VARIABLE}"
        )
    return token


def check_open_door(host: str, token: str | None, no_token: bool) -> None:
    """Raise ValueError if anyone who reaches `host` could place calls, and `no_token` does not allow that."""
    if token is None and not no_token and not is_loopback(host):
        raise ValueError(
            f"listening on {host} without a token lets everyone who reaches it place calls: set {TOKEN_VARIABLE} or "
            "--token for all processes, listen on 127.0.0.1, or say --no-token"
        )


def is_authorized(header: str | None, token: str) -> bool:
    """Whether an Authorization header carries the token. The comparison takes the same time wherever they differ."""
    expected = f"Bearer {token}".encode("ascii")
    return hmac.compare_digest((header or "").encode("utf-8", "surrogateescape"), expected)
