"""A call of aiortc's unchanged videostream-cli example between two processes, and what was recorded of it.

    python -m tests.live.aiortc_example [--seconds 20] [--scheme grace-lite] [--other-plain] [--folder FOLDER]

Both ends send the example's flag (640x480, 30 fps) and record what comes. Needs opencv, as the example does. Exit
status 1 if a recording has no picture. The recordings and their last pictures (PNG) stay in FOLDER.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.live.aiortc_suite import fetch

START_S = 60.0
END_S = 30.0


def start(plugin: list[str], script: Path, role: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, *plugin, str(script), role, "--signaling", "unix-socket"]
    command += ["--signaling-path", str(folder / "socket"), "--record-to", str(folder / f"at-{role}.mp4")]
    with (folder / f"{role}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def call(folder: Path, script: Path, scheme: str, other_plain: bool, seconds: float) -> list[int | None]:
    """Exit statuses of the offering and the answering process."""
    plugin = ["-m", "grace_transport.aiortc_plugin", "--scheme", scheme]
    offering = start(plugin, script, "offer", folder)
    deadline = time.monotonic() + START_S
    while not (folder / "socket").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    answering = start([] if other_plain else plugin, script, "answer", folder)
    time.sleep(seconds)
    answering.send_signal(signal.SIGINT)  # its goodbye ends the other
    for process in (answering, offering):
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return [offering.returncode, answering.returncode]


def describe(path: Path) -> int:
    """Prints what is in a recording; returns the number of pictures."""
    import av
    import cv2

    times, sizes, last = list[float](), list[tuple[int, int]](), None
    try:
        with av.open(str(path)) as container:
            for last in container.decode(video=0):
                times.append(last.time or 0.0)
                if (last.width, last.height) not in sizes:
                    sizes.append((last.width, last.height))
    except (av.FFmpegError, OSError) as error:
        print(f"{path.name}: {error}")
    if last is None:
        print(f"{path.name}: no picture")
        return 0
    cv2.imwrite(str(path.with_suffix(".png")), last.to_ndarray(format="bgr24"))
    gap_ms = 1000 * max((after - before for before, after in pairwise(times)), default=0.0)
    shapes = ", ".join(f"{width}x{height}" for width, height in sizes)
    print(f"{path.name}: {len(times)} pictures in {times[-1] - times[0]:.1f} s, {shapes}, longest gap {gap_ms:.0f} ms")
    return len(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--scheme", default="grace-lite")
    parser.add_argument("--other-plain", action="store_true", help="the answering end has no plug-in: VP8 by fallback")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "aiortc-suite")
    wanted = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job, and so its children, would ignore it
    folder = wanted.folder
    script = fetch(folder) / "examples" / "videostream-cli" / "cli.py"
    for name in ("socket", "at-offer.mp4", "at-answer.mp4"):
        (folder / name).unlink(missing_ok=True)
    statuses = call(folder, script, wanted.scheme, wanted.other_plain, wanted.seconds)
    print(f"{folder}: exit statuses {statuses}")
    counts = [describe(folder / f"at-{role}.mp4") for role in ("offer", "answer")]
    return 0 if all(counts) else 1


if __name__ == "__main__":
    sys.exit(main())
