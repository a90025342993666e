"""How commands talk to people: what a user did wrong is one red line and exit status 2, never a traceback."""

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
from grace_rtc.errors import DemoError


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """For the body of a command: expected errors are shown and end it; anything else is a bug and shows itself."""
    try:
        yield
    except ImportError as error:
        complain(f"{error.name or error} is missing; pip install 'grace-rtc[lab]' (grace-rtc doctor says what else is)")
        raise typer.Exit(2) from error
    except BrokenPipeError:  # `| head` has seen enough: typer ends quietly
        raise
    except OSError as error:  # a full disk, say
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        raise typer.Exit(2) from error
    except (DemoError, LabError, NetsimError, CodecError, ValueError) as error:
        complain(str(error))
        raise typer.Exit(2) from error


def complain(message: str) -> None:
    """One red line on the standard error."""
    Console(stderr=True, soft_wrap=True, emoji=False).print(f"[red]grace-rtc: {escape(message)}[/]", highlight=False)


@contextmanager
def live_log(path: Path | None) -> Iterator[LogWriter | None]:
    """The log file of a live process, closed at the end; `-` is the standard output, None is no log."""
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
