"""Laws of fetching: pinned bytes or nothing, and an error that says what to do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grace_netsim.errors import TraceError
from grace_netsim.trace import fetch as trace_fetch
from grace_netsim.trace.convert import cap, crop
from grace_netsim.trace.fetch import Catalogue, Cut, RemoteTrace, catalogue, fetch, is_fetched, make_cut
from grace_netsim.trace.formats import format_mahimahi
from grace_netsim.trace.opportunities import OpportunityTrace
from grace_rtc.commands.trace import app

TRACE = OpportunityTrace(tuple(range(1, 3_001)))
BODY = format_mahimahi(TRACE).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


REMOTE = RemoteTrace("a b.down", "someone/traces", "c0ffee", "dir/a b.down", "MIT", len(BODY), sha256(BODY))
PIECE = format_mahimahi(cap(crop(TRACE, 1_000, 1_000), 8_000_000)).encode()
CUT = Cut("piece.mahi", REMOTE, 1, 1, 8.0, sha256(PIECE))
PATH = "/someone/traces/c0ffee/dir/a%20b.down"


class Server:
    """A local web server with a page or a status for each path."""

    def __init__(self) -> None:
        pages: dict[str, bytes | int] = {}
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                page = pages.get(self.path, 404)
                if isinstance(page, int):
                    self.send_error(page)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.pages, self.asked = pages, asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing waits for them
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    without_proxies(monkeypatch)
    running = Server()
    yield running
    running.close()


def quiet(count: int) -> None:
    """Nobody watches the progress."""


def test_the_pinned_file_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    server.pages[PATH] = BODY
    steps: list[int] = []
    path = fetch(REMOTE, tmp_path / "new", server.url + "/", steps.append)
    assert path == tmp_path / "new" / "a b.down"
    assert path.read_bytes() == BODY
    assert sum(steps) == len(BODY)
    assert is_fetched(REMOTE, tmp_path / "new")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (404, "HTTP 404 .*the source has moved; give another --base-url"),
        (503, "HTTP 503 .*try again later"),
        (BODY[:-1], f"{len(BODY) - 1} of {len(BODY)} bytes came; fetch again"),
        (BODY + b"9\n", f"more than the pinned {len(BODY)} bytes"),
        (BODY[:-2] + b"9\n", "SHA-256 is [0-9a-f]{64}, not .*nothing was written"),
    ],
)
def test_anything_else_is_refused_and_leaves_no_file(
    server: Server, tmp_path: Path, page: bytes | int, message: str
) -> None:
    server.pages[PATH] = page
    with pytest.raises(TraceError, match=message):
        fetch(REMOTE, tmp_path, server.url, quiet)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)
    closed = Server()
    closed.close()
    with pytest.raises(TraceError, match=r"refused.*; check the network, or give another --base-url"):
        fetch(REMOTE, tmp_path, closed.url, quiet)


@pytest.mark.parametrize("base_url", ["file:///etc", "ftp://127.0.0.1", "nonsense"])
def test_only_web_addresses_are_asked(tmp_path: Path, base_url: str) -> None:
    with pytest.raises(TraceError, match="not an http or https address"):
        fetch(REMOTE, tmp_path, base_url, quiet)


def test_a_damaged_file_is_not_taken_for_fetched(tmp_path: Path) -> None:
    assert not is_fetched(REMOTE, tmp_path)
    (tmp_path / REMOTE.name).write_bytes(BODY[:-2] + b"9\n")
    assert not is_fetched(REMOTE, tmp_path)


def test_a_cut_must_have_its_pinned_bytes(tmp_path: Path) -> None:
    (tmp_path / REMOTE.name).write_bytes(BODY)
    assert make_cut(CUT, tmp_path).read_bytes() == PIECE
    with pytest.raises(TraceError, match=r"the cut from a b\.down has SHA-256"):
        make_cut(replace(CUT, cap_mbps=4.0), tmp_path)


def test_the_catalogue_names_what_is_public() -> None:
    sets, cuts = catalogue().sets, catalogue().cuts
    assert {name: len(files) for name, files in sets.items()} == {"mahimahi": 13, "fcc": 45}
    assert {name: len(files) for name, files in cuts.items()} == {"lte8": 8, "fcc8": 8}
    remote = next(file for file in sets["mahimahi"] if file.name == "ATT-LTE-driving.down")
    assert remote.url(catalogue().base_url) == (
        "https://raw.githubusercontent.com/ravinet/mahimahi/"
        "ae477d437615b972217498ba52be07db17a15618/traces/ATT-LTE-driving.down"
    )
    assert remote.sha256 == "73c58f41bf7a3f0fac82810ca61307521be1cf6b77a0e98093fd340bddfd161f"
    every = [file for files in sets.values() for file in files]
    assert all(file.licence and file.size_bytes < 4 << 20 and len(file.commit) == 40 for file in every)
    assert all(Path(file.name).name == file.name for file in every)
    with pytest.raises(TraceError, match="verizon: no such set; fetch one of mahimahi, fcc, lte8, fcc8"):
        catalogue().originals("verizon")


def test_the_command_fetches_cuts_and_skips_what_is_there(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages[PATH] = BODY
    small = Catalogue(server.url, {"some": (REMOTE,)}, {"some8": (CUT,)})
    monkeypatch.setattr(trace_fetch, "catalogue", lambda: small)
    first = CliRunner().invoke(app, ["fetch", "some8", "--out", str(tmp_path)])
    assert first.exit_code == 0
    assert "1 fetched, 0 already there, 1 cut" in first.stdout
    assert "licence: MIT" in first.stdout
    again = CliRunner().invoke(app, ["fetch", "some", "--out", str(tmp_path), "--base-url", server.url])
    assert "0 fetched, 1 already there, 0 cut" in again.stdout
    assert server.asked == [PATH]
    assert {path.name for path in tmp_path.iterdir()} == {"a b.down", "piece.mahi"}


def test_a_failed_fetch_is_one_line_and_status_2(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_fetch, "catalogue", lambda: Catalogue(server.url, {"some": (REMOTE,)}, {}))
    result = CliRunner().invoke(app, ["fetch", "some", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "HTTP 404" in result.stderr
    assert "Traceback" not in result.output
