"""Exceptions of the command. Their messages are for the user: what is wrong, where, and what to do next."""

from __future__ import annotations


class DemoError(Exception):
    """A live call of the demo did not work: a process failed, or no frame was shown."""
