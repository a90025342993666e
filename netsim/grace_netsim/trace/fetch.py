"""Fetches recorded traces from their public repositories: pinned commit, size and SHA-256, atomic files. Draws no bar.

Which files there are stands in data/trace_sources.json. A set of cuts (lte8, fcc8) is made here from its originals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from grace_netsim.errors import TraceError
from grace_netsim.trace.convert import cap, crop, to_opportunities
from grace_netsim.trace.files import read_trace, write_atomically
from grace_netsim.trace.formats import format_mahimahi
from grace_netsim.trace.opportunities import OpportunityTrace

TIMEOUT_S = 30
CHUNK_BYTES = 1 << 16

# Called with the bytes that have just come in.
OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RemoteTrace:
    """One recorded file, and where it is."""

    name: str
    repository: str
    commit: str
    path: str
    licence: str
    size_bytes: int
    sha256: str

    def url(self, base_url: str) -> str:
        return f"{base_url.rstrip('/')}/{self.repository}/{self.commit}/{quote(self.path)}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a recorded file, capped: one file of an evaluation set."""

    name: str
    origin: RemoteTrace
    start_s: int
    seconds: int
    cap_mbps: float
    sha256: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be fetched: sets of recorded files, and sets of cuts from them."""

    base_url: str
    sets: dict[str, tuple[RemoteTrace, ...]]
    cuts: dict[str, tuple[Cut, ...]]

    def originals(self, name: str) -> tuple[RemoteTrace, ...]:
        """The recorded files that a set, or a set of cuts, needs."""
        if name in self.sets:
            return self.sets[name]
        if name in self.cuts:
            return tuple(dict.fromkeys(cut.origin for cut in self.cuts[name]))
        raise TraceError(f"{name}: no such set; fetch one of {', '.join([*self.sets, *self.cuts])}")


@cache
def catalogue() -> Catalogue:
    text = (resources.files("grace_netsim") / "data" / "trace_sources.json").read_text(encoding="utf-8")
    return parse_catalogue(json.loads(text))


def parse_catalogue(data: dict[str, Any]) -> Catalogue:
    sets = {name: tuple(_remotes(sources)) for name, sources in data["sets"].items()}
    by_name = {remote.name: remote for remotes in sets.values() for remote in remotes}
    cuts = {
        name: tuple(
            Cut(row["name"], by_name[row["origin"]], row["start_s"], row["seconds"], row["cap_mbps"], row["sha256"])
            for row in rows
        )
        for name, rows in data["cuts"].items()
    }
    return Catalogue(data["base_url"], sets, cuts)


def _remotes(sources: list[dict[str, Any]]) -> Iterator[RemoteTrace]:
    for source in sources:
        where = source["repository"], source["commit"]
        for row in source["files"]:
            yield RemoteTrace(row["name"], *where, row["path"], source["licence"], row["bytes"], row["sha256"])


def is_fetched(remote: RemoteTrace, folder: Path) -> bool:
    """Whether the file is there already, with the right bytes."""
    path = folder / remote.name
    return path.is_file() and path.stat().st_size == remote.size_bytes and _sha256(path.read_bytes()) == remote.sha256


def fetch(remote: RemoteTrace, folder: Path, base_url: str, on_bytes: OnBytes) -> Path:
    """Download one file into `folder`. TraceError if that fails or the bytes are not the pinned ones."""
    url = remote.url(base_url)
    if urlsplit(url).scheme not in ("http", "https"):
        raise TraceError(f"{base_url}: not an http or https address; give --base-url https://…")
    data = _download(url, remote.size_bytes, on_bytes)
    if len(data) < remote.size_bytes:
        raise TraceError(f"{url}: {len(data)} of {remote.size_bytes} bytes came; fetch again")
    if _sha256(data) != remote.sha256:
        raise TraceError(
            f"{url}: SHA-256 is {_sha256(data)}, not {remote.sha256}; it was changed on the way or at its source: "
            "nothing was written"
        )
    path = folder / remote.name
    write_atomically(path, data)
    return path


def make_cut(cut: Cut, folder: Path) -> Path:
    """Cut one evaluation trace from its fetched original."""
    trace = read_trace(folder / cut.origin.name)
    whole = trace if isinstance(trace, OpportunityTrace) else to_opportunities(trace)
    piece = cap(crop(whole, cut.start_s * 1_000, cut.seconds * 1_000), round(cut.cap_mbps * 1e6))
    data = format_mahimahi(piece).encode("ascii")
    if _sha256(data) != cut.sha256:
        raise TraceError(f"{cut.name}: the cut from {cut.origin.name} has SHA-256 {_sha256(data)}, not {cut.sha256}")
    path = folder / cut.name
    write_atomically(path, data)
    return path


def _download(url: str, size_bytes: int, on_bytes: OnBytes) -> bytes:
    request = Request(url, headers={"User-Agent": "grace-rtc"})
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:
            return _read(response, url, size_bytes, on_bytes)
    except HTTPError as error:
        error.close()
        hint = "the source has moved; give another --base-url" if error.code == 404 else "try again later"
        raise TraceError(f"{url}: HTTP {error.code} {error.reason}; {hint}") from error
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise TraceError(f"{url}: {str(reason).lower()}; check the network, or give another --base-url") from error


def _read(response: HTTPResponse, url: str, size_bytes: int, on_bytes: OnBytes) -> bytes:
    """The body, refused as soon as it is longer than the pinned size."""
    data = bytearray()
    while chunk := response.read(CHUNK_BYTES):
        data += chunk
        if len(data) > size_bytes:
            raise TraceError(f"{url}: more than the pinned {size_bytes} bytes; the source has changed")
        on_bytes(len(chunk))
    return bytes(data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
