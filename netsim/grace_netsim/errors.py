"""Exceptions of netsim. Their messages are what a user reads: what is wrong, where, and what to do next.

NetsimError
+-- TraceError   a trace that cannot be found, read, converted or fetched
"""

from __future__ import annotations


class NetsimError(Exception):
    """Anything netsim raises on purpose, other than ValueError for a caller's bug."""


class TraceError(NetsimError):
    """A trace file or name that is not usable."""
