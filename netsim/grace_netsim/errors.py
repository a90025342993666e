"""Exceptions of netsim. Their messages are what a user reads: what is wrong, where, and what to do next.

NetsimError
+-- TraceError   a trace that cannot be found, read, converted or fetched
+-- LogError     a session log that is missing, damaged, or no log
+-- ReportError  a folder that holds no run, or a page that cannot be written
+-- DemoError    a process of a live call failed, or nothing came of the call
"""

from __future__ import annotations


class NetsimError(Exception):
    """Anything netsim raises on purpose, other than ValueError for a caller's bug."""


class TraceError(NetsimError):
    """A trace file or name that is not usable."""


class LogError(NetsimError):
    """A session log is missing, damaged, or not a log."""


class ReportError(NetsimError):
    """A folder holds no readable run of the lab, or its report cannot be written."""


class DemoError(NetsimError):
    """A live call did not work: a process died, or nothing was seen."""
