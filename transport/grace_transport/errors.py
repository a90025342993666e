"""Exceptions of the transport. Only callers raise them: bytes from a peer become `DatagramRejected` events.

TransportError
+-- WireFormatError   bytes that are no valid packet; caught by the machine that was parsing
"""


class TransportError(Exception):
    """Base of the exceptions that the transport raises on purpose."""


class WireFormatError(TransportError):
    """Bytes that are not a valid packet of the expected kind."""
