"""One live call: receiver, emulated network and sender as processes on loopback, from start to their logs.

Owns their command lines and the order of things. Refuses to know what is made of the logs.
"""

from __future__ import annotations

import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace_lab.log.file import LogFollower, read_log
from grace_lab.log.merge import ProcessLogs
from grace_rtc.demo.clip_file import FILE_NAME as CLIP
from grace_rtc.demo.network import FILE_NAME as NETWORK
from grace_rtc.demo.processes import Child, Crew, crew
from grace_rtc.demo.settings import DemoSettings
from grace_rtc.errors import DemoError

START_S: Final = 90.0
"""How long a process may take until it answers, or until the first frame is captured: models are loaded."""
OVERTIME_S: Final = 60.0
TAIL_S: Final = 1.0
"""What is under way when the sender ends may still arrive."""
POLL_S: Final = 0.1
TOKEN_VARIABLE: Final = "GRACE_TOKEN"

Report = Callable[[str, float], None]
"""(what is going on, share of the call that is done)."""


@dataclass(frozen=True, slots=True)
class CallFiles:
    """What the processes of a call leave in their folder."""

    folder: Path

    @property
    def sender(self) -> Path:
        return self.folder / "send.jsonl"

    @property
    def receiver(self) -> Path:
        return self.folder / "receive.jsonl"

    @property
    def relay(self) -> Path:
        return self.folder / "netsim.jsonl"

    @property
    def record(self) -> Path:
        return self.folder / "shown.i420"

    def logs(self) -> ProcessLogs:
        """All three, read and checked. Raises LogError."""
        logs = (read_log(path, may_be_cut=True) for path in (self.sender, self.receiver, self.relay))
        sender, receiver, relay = logs
        return ProcessLogs(sender=sender, receiver=receiver, relay=relay)


def run_call(settings: DemoSettings, scheme: str, folder: Path, report: Report) -> CallFiles:
    """The whole call, with the clip and the network that lie in `settings.out`; all processes have ended then.

    Raises DemoError with the end of what a process said, where one failed."""
    files = CallFiles(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (files.sender, files.receiver, files.relay, files.record):
        path.unlink(missing_ok=True)
    environment = {TOKEN_VARIABLE: secrets.token_hex(16), "OMP_NUM_THREADS": "1"}
    ports = _free_ports(2)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with crew(folder) as members:
        report("starting the receiver", 0)
        _ready(members, members.start("receive", receive_command(scheme, ports[0], files), environment), urls[0])
        report("starting the network", 0)
        network = netsim_command(settings, ports[1], urls[0], files)
        _ready(members, members.start("netsim", network, environment), urls[1])
        report("starting the sender", 0)
        sender = members.start("send", send_command(settings, scheme, urls[1], files), environment)
        _watch(settings, members, sender, files, report)
        time.sleep(TAIL_S)
        members.check()
    return files


def receive_command(scheme: str, port: int, files: CallFiles) -> list[str]:
    return [
        "receive", "--listen", f"127.0.0.1:{port}", "--scheme", scheme,
        "--record-frames", str(files.record), "--json", str(files.receiver),
    ]  # fmt: skip


def netsim_command(settings: DemoSettings, port: int, receiver: str, files: CallFiles) -> list[str]:
    return [
        "netsim", "--listen", f"127.0.0.1:{port}", "--forward", receiver, "--trace-up", str(settings.out / NETWORK),
        "--owd-ms", f"{settings.owd_ms:g}", "--queue-packets", str(settings.queue),
        "--seed", str(settings.seed), "--json", str(files.relay),
    ]  # fmt: skip


def send_command(settings: DemoSettings, scheme: str, network: str, files: CallFiles) -> list[str]:
    width, height = settings.size
    return [
        "send", "--input", str(settings.out / CLIP), "--to", network, "--scheme", scheme, "--size", f"{width}x{height}",
        "--fps", f"{settings.fps:g}", "--cc", settings.cc, "--start-bitrate", str(settings.start_bps),
        "--min-bitrate", str(settings.min_bps), "--max-bitrate", str(settings.max_bps),
        "--adapt" if settings.adapt else "--no-adapt", "--give-up", "30",
        "--seed", str(settings.seed), "--json", str(files.sender),
    ]  # fmt: skip


def _ready(members: Crew, child: Child, url: str) -> None:
    """Wait until it answers on its /health."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        members.check()
        if child.status is not None:
            raise child.failure("ended before the call began")
        if _healthy(f"{url}/health"):
            return
        time.sleep(POLL_S)
    raise child.failure(f"gave no answer at {url} within {START_S:g} s")


def _healthy(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _watch(settings: DemoSettings, members: Crew, sender: Child, files: CallFiles, report: Report) -> None:
    """Until the sender has ended. Raises DemoError where a process died, or nothing was captured in time."""
    sent, shown = LogFollower(files.sender), LogFollower(files.receiver)
    started_s = time.monotonic()
    try:
        while sender.status is None:
            members.check()
            sent.poll()
            shown.poll()
            captured = sent.counts.get("frame_captured", 0)
            waited_s = time.monotonic() - started_s
            if not captured and waited_s > START_S:
                raise sender.failure(f"captured nothing within {START_S:g} s")
            if waited_s > START_S + settings.seconds + OVERTIME_S:
                raise sender.failure("did not come to an end")
            pictures = shown.counts.get("frame_shown", 0)
            report(f"{captured} captured, {pictures} shown" if captured else "connecting", captured / settings.frames)
            time.sleep(POLL_S)
        members.check()
    finally:
        sent.close()
        shown.close()


def _free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    except OSError as error:
        raise DemoError(f"no free port on 127.0.0.1 ({error.strerror or error})") from error
    finally:
        for each in sockets:
            each.close()
