"""Exceptions of netsim. Their messages are for the user: what is wrong, where, and what to do next.

NetsimError
+-- TraceError   a trace that cannot be found, read, converted or fetched
"""

from __future__ import annotations


class NetsimError(Exception):
    """Base of all errors that netsim raises on purpose, other than ValueError for a wrong argument."""


class TraceError(NetsimError):
    """A trace file or name that is not usable."""
