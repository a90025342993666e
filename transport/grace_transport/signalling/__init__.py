"""Signalling: one offer and one answer over HTTP, guarded by a shared token (docs/signalling.md)."""

from grace_transport.signalling.address import base_url, is_loopback, parse_host_port
from grace_transport.signalling.client import SignallingClient
from grace_transport.signalling.errors import (
    GarbledReplyError,
    OfferRefusedError,
    PeerUnavailableError,
    PeerUnreachableError,
    SignallingError,
)
from grace_transport.signalling.ice import IceServer, check_ice_servers, parse_ice_server
from grace_transport.signalling.messages import Answer, Fault, Offer
from grace_transport.signalling.server import Caller, CallHandler, SignallingServer
from grace_transport.signalling.tokens import TOKEN_VARIABLE, find_token

__all__ = [
    "TOKEN_VARIABLE",
    "Answer",
    "CallHandler",
    "Caller",
    "Fault",
    "GarbledReplyError",
    "IceServer",
    "Offer",
    "OfferRefusedError",
    "PeerUnavailableError",
    "PeerUnreachableError",
    "SignallingClient",
    "SignallingError",
    "SignallingServer",
    "base_url",
    "check_ice_servers",
    "find_token",
    "is_loopback",
    "parse_host_port",
    "parse_ice_server",
]
