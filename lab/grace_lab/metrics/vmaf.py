"""VMAF of what was shown, where an ffmpeg with libvmaf exists. SSIM and PSNR are `grace_codec.evaluation.quality`."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]

VMAF_MISSING = (
    "VMAF is left out: no ffmpeg with libvmaf on this machine. `pip install imageio-ffmpeg` brings one, "
    "or put one on the PATH and see that `ffmpeg -filters` lists libvmaf."
)


@cache
def vmaf_ffmpeg() -> str | None:
    """Path of an ffmpeg that can compute VMAF, or None (then VMAF_MISSING says how to get one)."""
    for path in (shutil.which("ffmpeg"), _bundled_ffmpeg()):
        if path is not None:
            command = [path, "-hide_banner", "-filters"]
            listing = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
            if " libvmaf " in listing.stdout:
                return path
    return None


def _bundled_ffmpeg() -> str | None:
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def vmaf(pairs: Iterable[tuple[Luma, Luma]], fps: float) -> list[float] | None:
    """Per-frame VMAF of (reference, shown) luma pairs, all of one size; None without an ffmpeg that has libvmaf.

    Chroma is written as grey: VMAF's default model looks at luma alone."""
    ffmpeg = vmaf_ffmpeg()
    if ffmpeg is None:
        return None
    with tempfile.TemporaryDirectory(prefix="grace-vmaf-") as folder:
        reference, shown, result = (Path(folder) / name for name in ("reference.yuv", "shown.yuv", "vmaf.json"))
        height, width = _write_pairs(pairs, reference, shown)
        raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i"]
        compare = ["-lavfi", f"libvmaf=log_fmt=json:log_path={result}", "-f", "null", "-"]
        command = [ffmpeg, "-v", "error", *raw, str(shown), *raw, str(reference), *compare]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return [float(frame["metrics"]["vmaf"]) for frame in json.loads(result.read_text())["frames"]]


def _write_pairs(pairs: Iterable[tuple[Luma, Luma]], reference: Path, shown: Path) -> tuple[int, int]:
    size = (0, 0)
    with reference.open("wb") as left, shown.open("wb") as right:
        for a, b in pairs:
            if a.shape != b.shape:
                raise ValueError(f"frames of different size: {a.shape} and {b.shape}")
            size = (a.shape[0], a.shape[1])
            grey = bytes([128]) * (a.size // 2)
            left.write(a.tobytes() + grey)
            right.write(b.tobytes() + grey)
    if size == (0, 0):
        raise ValueError("VMAF of no frames")
    return size
