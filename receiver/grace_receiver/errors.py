"""Exceptions of the receiver.

ReceiverError
+-- RecordError     a recording that cannot be written
+-- DisplayError    no window can be opened here
"""


class ReceiverError(Exception):
    """Anything the receiver raises on purpose."""


class RecordError(ReceiverError):
    """A recording cannot be written there."""


class DisplayError(ReceiverError):
    """Frames cannot be shown on this machine."""
