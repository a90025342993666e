"""Exceptions of the lab. Their messages are for the user: what is wrong, where, and what to do next.

LabError
+-- LogError     a log that is missing, damaged, or no log
+-- ReportError  a folder that holds no run, or a page that cannot be written
"""

from __future__ import annotations


class LabError(Exception):
    """Base of all errors that the lab raises on purpose, other than ValueError for a wrong argument."""


class LogError(LabError):
    """A log is missing, damaged, or is not a log of a call."""


class ReportError(LabError):
    """A folder holds no readable run of the lab, or its report cannot be written."""
