"""Traces by name or path: finds, reads and writes them. Formats are `formats`', arithmetic is `convert`'s."""

from __future__ import annotations

import os
import tempfile
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from grace_netsim.errors import TraceError
from grace_netsim.trace.convert import to_opportunities, to_rates
from grace_netsim.trace.formats import FORMATS, READERS, Trace, described, recognised_format
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_netsim.trace.rates import RateSeries
from grace_netsim.trace.text import MAX_FILE_BYTES

SHIPPED = tuple(f"{kind}-{number}" for kind in ("lte", "fcc") for number in range(1, 9))


def shipped_folder() -> Path:
    """In an installed wheel inside the package, in a source checkout the folder traces/ at the top."""
    packaged = resources.files("grace_netsim") / "data" / "traces"
    if isinstance(packaged, Path) and packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "traces"


def find_trace(name: str) -> Path:
    """The file that a name on the command line means: a path that exists, or the name of a shipped trace."""
    path = Path(name)
    if os.path.exists(path):  # unlike path.exists() it never raises, whatever the name
        return path
    if name in SHIPPED:
        shipped = shipped_folder() / f"{name}.mahi"
        if shipped.exists():
            return shipped
        raise TraceError(f"{name}: {shipped} is missing; install grace-rtc again, or check the whole repository out")
    near = get_close_matches(name, SHIPPED, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"shipped traces are {SHIPPED[0]} … {SHIPPED[-1]}"
    raise TraceError(f"{name}: no such file and no shipped trace; {hint}")


def read_trace(path: Path, form: str | None = None) -> Trace:
    """Read a trace file; `form` is a key of READERS, or None to tell by suffix and content.

    Raises TraceError, also where the content may mean two things and `form` has to say which."""
    return read_described(path, form)[0]


def read_described(path: Path, form: str | None = None) -> tuple[Trace, str]:
    """`read_trace`, and for people how it was read."""
    data = read_bounded(path)
    form = form or recognised_format(data, path.suffix, str(path))
    trace = READERS[form](data, str(path))
    return trace, described(trace, form, data)


def read_bounded(path: Path) -> bytes:
    """The bytes of a file that may come from anywhere: TraceError if it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise TraceError(f"{path}: {(error.strerror or str(error)).lower()}; give a readable trace file") from error
    if len(data) > MAX_FILE_BYTES:
        raise TraceError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; cut it first")
    return data


def _load(name: str, form: str | None) -> Trace:
    path = find_trace(name)
    return read_trace(path, None if path.parent == shipped_folder() else form)


def load_opportunities(name: str, form: str | None = None) -> OpportunityTrace:
    """A trace by path or shipped name, as delivery opportunities for LinkConfig.trace. `form`: as for `read_trace`."""
    trace = _load(name, form)
    return trace if isinstance(trace, OpportunityTrace) else to_opportunities(trace)


def load_rates(name: str, form: str | None = None) -> RateSeries:
    """A trace by path or shipped name, as 100 ms rates for LinkConfig.rates (the paper's token bucket). `form`: as for
    `read_trace`."""
    trace = _load(name, form)
    return trace if isinstance(trace, RateSeries) else to_rates(trace)


def format_trace(trace: Trace, form: str) -> str:
    """The text of a trace in a format of FORMATS, converted where need be."""
    target = FORMATS[form]
    if target.kind == "opportunities":
        return target.format(trace if isinstance(trace, OpportunityTrace) else to_opportunities(trace))
    return target.format(trace if isinstance(trace, RateSeries) else to_rates(trace))


def write_trace(path: Path, trace: Trace, form: str) -> None:
    write_atomically(path, format_trace(trace, form).encode("ascii"))


def write_atomically(path: Path, data: bytes) -> None:
    """All of it or nothing: a reader never sees a half-written file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(partial).chmod(0o644)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TraceError(f"{path}: cannot write: {(error.strerror or str(error)).lower()}") from error


def format_for(path: Path) -> str:
    """The format that a file name asks for; an unknown suffix means mahimahi."""
    return next((name for name, form in FORMATS.items() if path.suffix in form.suffixes), "mahimahi")
