"""The terminal: one red line for what a user did wrong, and the log of a live process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from grace_codec.errors import CodecError
from grace_lab.errors import LabError
from grace_lab.log.file import LogWriter
from grace_netsim.errors import NetsimError
from grace_receiver.errors import ReceiverError
from grace_rtc.errors import DemoError
from grace_transport.errors import TransportError

EXPECTED_ERRORS = (CodecError, TransportError, ReceiverError, NetsimError, LabError, DemoError, ValueError)
WRONG_USE = 2
"""Exit status after an expected error, as for a wrong option."""


@contextmanager
def errors_in_one_line(extra: str = "lab") -> Iterator[None]:
    """For the body of every command: an expected error becomes one red line and exit status 2.

    `extra`: the extra of grace-rtc that brings what the command imports. Any other error is a bug and keeps its
    traceback."""
    try:
        yield
    except ImportError as error:
        _end(f"{error.name or error} is missing; pip install 'grace-rtc[{extra}]' (grace-rtc doctor says what else is)")
    except BrokenPipeError:  # the reader of a pipe has ended, as `head` does: typer then ends without a message
        raise
    except OSError as error:
        _end(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except EXPECTED_ERRORS as error:
        _end(str(error))


def complain(message: str) -> None:
    """Print one red line on the standard error."""
    Console(stderr=True, soft_wrap=True, emoji=False).print(f"[red]grace-rtc: {escape(message)}[/]", highlight=False)


def _end(message: str) -> None:
    complain(message)
    raise typer.Exit(WRONG_USE) from sys.exception()


@contextmanager
def process_log(path: Path | None) -> Iterator[LogWriter | None]:
    """The log of a live process, closed at the end. `-` is the standard output, None means no log."""
    if path is None:
        yield None
        return
    log = LogWriter(sys.stdout) if str(path) == "-" else LogWriter.to_file(path)
    try:
        yield log
    finally:
        if log.error is not None:
            complain(f"{path}: the log ends early ({log.error})")
        if str(path) != "-":
            log.close()
