"""Looks at what this machine has of what grace-rtc can use, with advice for what is missing. It changes nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal["ok", "missing", "warning"]

CPU_FLAGS = {
    "avx2": "256-bit vectors",
    "avx512f": "512-bit vectors",
    "avx512_bf16": "bfloat16 vectors",
    "amx_bf16": "bfloat16 matrix units",
}
EXTRAS = {
    "codec": ("constriction", "cv2", "numba", "openvino", "safetensors", "av"),
    "rtc": ("aiortc", "aiohttp", "av"),
    "lab": ("av", "jinja2", "cv2", "plotly"),
    "torch": ("torch", "lightning_fabric", "safetensors"),
}
EXTRA_USE = {
    "codec": "the GRACE codec",
    "rtc": "live calls",
    "lab": "real video in the lab, metrics, reports",
    "torch": "training; runs the codec's networks, on a GPU where there is one, with --backend torch",
}
SIGNALLING_PORT = 8080


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice`: what to do about it where it is not ok."""

    area: str
    what: str
    status: Status
    detail: str
    advice: str = ""


def examine() -> list[Finding]:
    """All findings, the most general first."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (_system, _cpu, _gpu, _extras, _backends, _media, _ports)
    return [finding for check in checks for finding in check()]


def _system() -> Iterator[Finding]:
    version = platform.python_version()
    good = tuple(map(int, platform.python_version_tuple()[:2])) >= (3, 11)
    yield Finding("system", "Python", "ok" if good else "warning", version, "" if good else "use Python 3.11 or newer")
    yield Finding("system", "platform", "ok", f"{platform.system()} {platform.release()} {platform.machine()}")


def _cpu() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    advice = "" if cores >= 2 else "a call wants two cores or more: encoding and decoding run side by side"
    yield Finding("cpu", "cores", "ok" if cores >= 2 else "warning", str(cores), advice)
    flags = _cpu_flags()
    if not flags:
        yield Finding(
            "cpu",
            "instruction sets",
            "warning",
            "unknown here",
            "nothing to do: the codec takes its library for any processor",
        )
        return
    for flag, use in CPU_FLAGS.items():
        yield Finding("cpu", flag, "ok" if flag in flags else "missing", use)


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return set()
    for line in info.read_text(errors="replace").splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()


def _gpu() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        advice = "none needed: calls run on the CPU; training is faster with one"
        yield Finding("gpu", "NVIDIA", "missing", "no nvidia-smi", advice)
        return
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (subprocess.SubprocessError, OSError) as error:
        yield Finding("gpu", "NVIDIA", "warning", f"nvidia-smi failed: {error}", "reinstall or reload the GPU driver")
        return
    yield Finding("gpu", "NVIDIA", "ok", answer.replace("\n", "; "))


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        advice = f"pip install 'grace-rtc[{extra}]'" if absent else ""
        detail = EXTRA_USE[extra] + (f" (lacks {', '.join(absent)})" if absent else "")
        yield Finding("extra", extra, "missing" if absent else "ok", detail, advice)


def _backends() -> Iterator[Finding]:
    for name, module in (("torch", "torch"), ("openvino", "openvino")):
        if importlib.util.find_spec(module) is None:
            advice = "pip install 'grace-rtc[codec]'" if name == "openvino" else f"pip install 'grace-rtc[{name}]'"
            yield Finding("backend", name, "missing", "not installed", advice)
        else:
            yield Finding("backend", name, "ok", _version(module))


def _version(module: str) -> str:
    """Of the distribution that brings it, whatever that is called."""
    names = importlib.metadata.packages_distributions().get(module, [module])
    try:
        return importlib.metadata.version(names[0])
    except importlib.metadata.PackageNotFoundError:
        return "version unknown"


def _media() -> Iterator[Finding]:
    cameras = sorted(str(path) for path in Path("/dev").glob("video*"))
    advice = "" if cameras else "plug one in, or send a file (--input FILE) or the test pattern (--input test)"
    yield Finding("media", "webcam", "ok" if cameras else "missing", ", ".join(cameras) or "none found", advice)
    if shutil.which("ffmpeg") is None:
        yield Finding("media", "ffmpeg", "missing", "only wanted for VMAF", "install an ffmpeg that has libvmaf")
        return
    try:
        filters = subprocess.run(
            ["ffmpeg", "-hide_banner", "-filters"], check=False, capture_output=True, text=True, timeout=10
        ).stdout
    except (subprocess.SubprocessError, OSError) as error:
        yield Finding("media", "ffmpeg", "warning", f"does not run: {error}", "reinstall ffmpeg")
        return
    vmaf = "libvmaf" in filters
    yield Finding(
        "media", "ffmpeg", "ok" if vmaf else "warning", "with libvmaf" if vmaf else "without libvmaf",
        "" if vmaf else "VMAF is left out of reports; install an ffmpeg that has libvmaf",
    )  # fmt: skip


def _ports() -> Iterator[Finding]:
    yield _port("UDP", socket.SOCK_DGRAM, 0, "media", "allow UDP on this machine; media cannot flow without it")
    advice = f"something listens on {SIGNALLING_PORT}: choose another with --listen HOST:PORT"
    yield _port("TCP", socket.SOCK_STREAM, SIGNALLING_PORT, "signalling", advice)


def _port(name: str, kind: socket.SocketKind, port: int, use: str, advice: str) -> Finding:
    try:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        return Finding("ports", f"{name} {port or 'any'}", "warning", f"{use}: {error.strerror}", advice)
    return Finding("ports", f"{name} {port or 'any'}", "ok", f"{use}: free")
