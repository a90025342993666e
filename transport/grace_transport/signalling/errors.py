"""Errors between the two ends of the signalling. `retry` says whether trying again later can help.

SignallingError             anything below; `retry`, and `status`, the HTTP status that it is or would be
+-- PeerUnreachableError    nobody answered: no connection, or no reply in time       retry
+-- PeerUnavailableError    the peer cannot take the call now: 5xx                    retry
+-- OfferRefusedError       the peer will not take this call: 4xx, the wrong token    give up
+-- GarbledReplyError       the reply is not of this protocol: not our peer           give up
"""

from __future__ import annotations

from typing import ClassVar

from grace_transport.errors import TransportError


class SignallingError(TransportError):
    """Raised by the client; raised by a server's handler it becomes the reply, with the message as its text."""

    retry: ClassVar[bool] = False
    status: int = 500

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class PeerUnreachableError(SignallingError):
    """Nobody answered. As a handler's reply: the peer behind this one did not (502)."""

    retry: ClassVar[bool] = True
    status = 502


class PeerUnavailableError(SignallingError):
    """The peer is there and cannot take the call now."""

    retry: ClassVar[bool] = True
    status = 503


class OfferRefusedError(SignallingError):
    """The peer does not take this call, and will not take it again either."""

    status = 400


class GarbledReplyError(SignallingError):
    """A reply that is not of this protocol. As a handler's reply: the peer behind this one is none of ours (502)."""

    status = 502
