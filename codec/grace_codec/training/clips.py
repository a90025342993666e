"""Training clips as uint8 planes in memory, each with the motion between its consecutive frames.

Owns decoding and the held-out split; refuses to know networks and losses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.errors import CodecError
from grace_codec.motion.search import BLOCK, Motion, MotionSearch, Planes, ReferencePicture

Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """y: (T, H, W); uv: (T, 2, H/2, W/2); motion: (T, 2, H/16, W/16), frame t against t-1 (zero at t = 0).

    H and W are multiples of 16 (the clip is cut, not padded)."""

    name: str
    y: Luma
    uv: Luma
    motion: Motion

    def __len__(self) -> int:
        return len(self.y)

    def planes(self, t: int) -> Planes:
        return self.y[t], self.uv[t, 0], self.uv[t, 1]


def read_frames(path: Path, max_frames: int) -> Iterator[Planes]:
    """yuv420 planes of a video file, cut to multiples of 16."""
    with av.open(str(path)) as container:
        for count, frame in enumerate(container.decode(video=0)):
            if count >= max_frames:
                return
            w, h = frame.width // BLOCK * BLOCK, frame.height // BLOCK * BLOCK
            height, width = frame.height & ~1, frame.width & ~1
            if (height, width) != (frame.height, frame.width):
                frame = frame.reformat(width, height)  # noqa: PLW2901
            picture = frame.to_ndarray(format="yuv420p").astype(np.uint8, copy=False)
            y = picture[:height]
            uv = picture[height:].reshape(2, height // 2, width // 2)
            yield y[:h, :w].copy(), uv[0, : h // 2, : w // 2].copy(), uv[1, : h // 2, : w // 2].copy()


def read_clip(path: Path, max_frames: int = 66, search: MotionSearch | None = None) -> Clip:
    """Decode a clip and find its motion (against the original previous frame, one search pass)."""
    search = search or MotionSearch()
    frames = list(read_frames(path, max_frames))
    if not frames:
        raise CodecError(f"{path}: no video frames; remove the file or re-encode it")
    motion = np.zeros((len(frames), 2, frames[0][0].shape[0] // BLOCK, frames[0][0].shape[1] // BLOCK), np.int16)
    for t in range(1, len(frames)):
        motion[t] = search(frames[t][0], ReferencePicture(frames[t - 1]))
    y = np.stack([f[0] for f in frames])
    uv = np.stack([np.stack(f[1:]) for f in frames])
    return Clip(path.stem, y, uv, motion)


def is_held_out(path: Path, share: float = 0.04) -> bool:
    """Whole sources (folders) are held out, so that no held-out clip has a twin among the training clips."""
    digest = hashlib.sha256(path.parent.name.encode()).digest()
    return digest[0] < share * 256


def load_folder(
    folder: Path, cache: Path | None = None, held_out: bool = False, on_clip: Callable[[int, int], None] | None = None
) -> list[Clip]:
    """All clips under `folder` of the wanted split, decoded once and kept in `cache` for the next run."""
    paths = [p for p in sorted(folder.rglob("*.mp4")) if is_held_out(p) == held_out]
    if not paths:
        raise CodecError(f"{folder}: no .mp4 clips for the {'held-out' if held_out else 'training'} split")
    clips = []
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for count, clip in enumerate(pool.map(_load, paths, repeat(cache))):
            if len(clip) > 1 and min(clip.y.shape[1:]) >= BLOCK * 4:
                clips.append(clip)
            if on_clip:
                on_clip(count + 1, len(paths))
    return clips


def _load(path: Path, cache: Path | None) -> Clip:
    return _load_cached(path, cache) if cache else read_clip(path)


def _load_cached(path: Path, cache: Path) -> Clip:
    kept = cache / f"{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.npz"
    if kept.exists():
        with np.load(kept) as data:
            return Clip(path.stem, data["y"], data["uv"], data["motion"])
    clip = read_clip(path)
    cache.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial.npz")
    np.savez(partial, y=clip.y, uv=clip.uv, motion=clip.motion)
    partial.rename(kept)
    return clip
