"""One live call: receiver, emulated network and sender as processes on loopback, from their input files to their logs.

The clip and the network are files that are made before the calls, so that drawing and scaling cost the calls nothing.
"""

from __future__ import annotations

import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from grace_codec.media import ClipOptions, open_clip, video_frame
from grace_codec.media.colour import tag
from grace_lab.log.file import LogFollower, read_log
from grace_lab.log.merge import ProcessLogs
from grace_netsim.trace.files import load_rates
from grace_netsim.trace.rates import STEP_US
from grace_rtc.demo.processes import ChildProcess, Processes, running_processes
from grace_rtc.demo.settings import DemoSettings
from grace_rtc.errors import DemoError

CLIP: Final = "clip.mkv"
NETWORK: Final = "network.rates"
START_S: Final = 90.0
"""How long a process may take until it answers, or until the first frame is captured: models are loaded."""
OVERTIME_S: Final = 60.0
TAIL_S: Final = 1.0
"""Packets that are under way when the sender ends may still arrive."""
POLL_S: Final = 0.1
TOKEN_VARIABLE: Final = "GRACE_TOKEN"

Report = Callable[[str, float], None]
"""Called with what is going on, and the share of the call that is done."""


def make_clip(
    video: str,
    path: Path,
    size: tuple[int, int],
    fps: float,
    frames: int,
    progress: Callable[[int], object] | None = None,
    first: int = 0,
) -> None:
    """Write `frames` frames of `video` (a file or builtin:NAME, looped as in the lab) from number `first` on, lossless.

    `progress` gets the number of frames that are done. Raises ClipError, or DemoError on a disk error."""
    import av

    width, height = size
    rate = Fraction(fps).limit_denominator(1000)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_clip(video, ClipOptions(size=size, fps=fps)) as clip, av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            tag(stream.codec_context)
            for number in range(frames):
                frame = clip.frame(first + number)
                coded = video_frame((frame.y, frame.u, frame.v))
                coded.pts, coded.time_base = number, 1 / rate
                container.mux(stream.encode(coded))
                if progress is not None:
                    progress(number + 1)
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise DemoError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error


def write_network(trace: str, scale: float, path: Path) -> None:
    """Write the trace's capacity times `scale`, in steps of 100 ms. Raises TraceError, or DemoError on a disk error.

    Recorded links carried large frames. A link that is narrow for 720p carries a sixteenth of its pixels without
    congestion; scaled with its queue, it is about as narrow for the small video as it was for the large one."""
    rates = load_rates(trace)
    steps = [rates.rate_at(start_us) * scale / 1e6 for start_us in range(0, rates.duration_us, STEP_US)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{mbps:.6f}\n" for mbps in steps), encoding="utf-8")
    except OSError as error:
        raise DemoError(f"{path}: cannot be written ({error.strerror or error})") from error


@dataclass(frozen=True, slots=True)
class CallFiles:
    """The files that the processes of a call write into their folder."""

    folder: Path

    @property
    def sender(self) -> Path:
        """The log of the sender."""
        return self.folder / "send.jsonl"

    @property
    def receiver(self) -> Path:
        """The log of the receiver."""
        return self.folder / "receive.jsonl"

    @property
    def relay(self) -> Path:
        """The log of the relay."""
        return self.folder / "netsim.jsonl"

    @property
    def recording(self) -> Path:
        """The frames that the receiver showed, as raw I420."""
        return self.folder / "shown.i420"

    def logs(self) -> ProcessLogs:
        """All three logs, read and checked. Raises LogError."""
        logs = (read_log(path, may_be_cut=True) for path in (self.sender, self.receiver, self.relay))
        sender, receiver, relay = logs
        return ProcessLogs(sender=sender, receiver=receiver, relay=relay)


def run_call(settings: DemoSettings, scheme: str, folder: Path, report: Report) -> CallFiles:
    """Run the whole call with the clip and the network that lie in `settings.out`. All processes have ended at return.

    Raises DemoError with the last lines that a process printed, where one failed."""
    files = CallFiles(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (files.sender, files.receiver, files.relay, files.recording):
        path.unlink(missing_ok=True)
    environment = {TOKEN_VARIABLE: secrets.token_hex(16), "OMP_NUM_THREADS": "1"}
    ports = _free_ports(2)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with running_processes(folder) as members:
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
    """The arguments of `grace-rtc receive`."""
    return [
        "receive", "--listen", f"127.0.0.1:{port}", "--scheme", scheme,
        "--record-frames", str(files.recording), "--json", str(files.receiver),
    ]  # fmt: skip


def netsim_command(settings: DemoSettings, port: int, receiver: str, files: CallFiles) -> list[str]:
    """The arguments of `grace-rtc netsim`."""
    return [
        "netsim", "--listen", f"127.0.0.1:{port}", "--forward", receiver, "--trace-up", str(settings.out / NETWORK),
        "--owd-ms", f"{settings.owd_ms:g}", "--queue-packets", str(settings.queue),
        "--seed", str(settings.seed), "--json", str(files.relay),
    ]  # fmt: skip


def send_command(settings: DemoSettings, scheme: str, network: str, files: CallFiles) -> list[str]:
    """The arguments of `grace-rtc send`."""
    width, height = settings.size
    return [
        "send", "--input", str(settings.out / CLIP), "--to", network, "--scheme", scheme, "--size", f"{width}x{height}",
        "--fps", f"{settings.fps:g}", "--cc", settings.cc, "--start-bitrate", str(settings.start_bps),
        "--min-bitrate", str(settings.min_bps), "--max-bitrate", str(settings.max_bps),
        "--adapt" if settings.adapt else "--no-adapt", "--give-up", "30",
        "--seed", str(settings.seed), "--json", str(files.sender),
    ]  # fmt: skip


def _ready(members: Processes, child: ChildProcess, url: str) -> None:
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


def _watch(settings: DemoSettings, members: Processes, sender: ChildProcess, files: CallFiles, report: Report) -> None:
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
            frames = shown.counts.get("frame_shown", 0)
            report(f"{captured} captured, {frames} shown" if captured else "connecting", captured / settings.frames)
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
