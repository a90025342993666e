"""Training clips: decoding, the held-out split, motion between frames, and batches of crops cut out of them.

All frames lie in a few flat tensors on the training device, so that a batch of crops is one gather. Knows no networks
and no losses, and not which frame comes next.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grace_codec.errors import CodecError
from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.field import BLOCK, Motion
from grace_codec.motion.search import MotionSearch
from grace_codec.types import Planes

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
            packed = frame.to_ndarray(format="yuv420p").astype(np.uint8, copy=False)
            y = packed[:height]
            uv = packed[height:].reshape(2, height // 2, width // 2)
            yield y[:h, :w].copy(), uv[0, : h // 2, : w // 2].copy(), uv[1, : h // 2, : w // 2].copy()


def read_clip(path: Path, max_frames: int = 66, search: MotionSearch | None = None) -> Clip:
    """Decode a clip and find its motion (against the original previous frame, one search pass)."""
    search = search or MotionSearch()
    frames = list(read_frames(path, max_frames))
    if not frames:
        raise CodecError(f"{path}: no video frames; remove the file or re-encode it")
    motion = np.zeros((len(frames), 2, frames[0][0].shape[0] // BLOCK, frames[0][0].shape[1] // BLOCK), np.int16)
    for t in range(1, len(frames)):
        motion[t] = search(frames[t][0], ReferenceFrame(frames[t - 1]))
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


class Crops(NamedTuple):
    """Squares of frames: y (B, 1, S, S) and uv (B, 2, S/2, S/2) uint8, motion (B, 2, S/16, S/16) int16."""

    y: Tensor
    uv: Tensor
    motion: Tensor


class ClipStore:
    """Frames and motion of many clips. The list it is made of is emptied on the way: memory is needed only once."""

    def __init__(self, clips: list[Clip], device: torch.device) -> None:
        self.device = device
        self.shapes = [clip.y.shape for clip in clips]  # (T, H, W)
        pixels = torch.tensor([[0, 0, 0], *self.shapes]).prod(1)
        start = pixels.cumsum(0)
        self._first = start[:-1].to(device)
        self._height, self._width = (torch.tensor([s[i] for s in self.shapes]).to(device) for i in (1, 2))
        total = int(start[-1])
        blocks = BLOCK * BLOCK
        self._y = torch.empty(total, dtype=torch.uint8, device=device)
        self._uv = torch.empty(total // 2, dtype=torch.uint8, device=device)
        self._motion = torch.empty(total // blocks * 2, dtype=torch.int16, device=device)
        for i in reversed(range(len(clips))):
            clip, a, b = clips.pop(), int(start[i]), int(start[i + 1])
            self._y[a:b] = torch.from_numpy(clip.y).reshape(-1)
            self._uv[a // 2 : b // 2] = torch.from_numpy(clip.uv).reshape(-1)
            self._motion[a // blocks * 2 : b // blocks * 2] = torch.from_numpy(clip.motion).reshape(-1)

    def __len__(self) -> int:
        return len(self.shapes)

    def crops(self, where: Tensor, size: int) -> Crops:
        """where: (B, 5) integers: clip, frame, top, left (multiples of 16) and whether mirrored."""
        clip, t, top, left, mirrored = where.to(self.device).unbind(1)
        height, width, first = self._height[clip], self._width[clip], self._first[clip]
        area = height * width
        y = _squares(self._y, first + t * area, width, top, left, size, mirrored)[:, None]

        def pair(flat: Tensor, unit: int, count: int) -> Tensor:
            """Two planes a frame, each `unit` times smaller per side."""
            begin = first // (unit * unit) * 2 + t * 2 * (area // (unit * unit))
            parts = [
                _squares(
                    flat, begin + i * (area // (unit * unit)), width // unit, top // unit, left // unit, count, mirrored
                )
                for i in (0, 1)
            ]
            return torch.stack(parts, 1)

        motion = pair(self._motion, BLOCK, size // BLOCK)
        motion[:, 0] *= 1 - 2 * mirrored[:, None, None].to(torch.int16)
        return Crops(y, pair(self._uv, 2, size // 2), motion)

    def choose(self, size: int, rng: random.Random) -> tuple[int, int, int, bool]:
        """Index of a clip (long ones more often) that is large enough, a block-aligned corner, whether to mirror."""
        for _ in range(1000):
            index = rng.choices(range(len(self)), [shape[0] for shape in self.shapes])[0]
            _, height, width = self.shapes[index]
            if min(height, width) >= size:
                top, left = (rng.randrange((side - size) // BLOCK + 1) * BLOCK for side in (height, width))
                return index, top, left, rng.random() < 0.5
        raise CodecError(f"no clip is as large as the {size} px crop")


def _squares(
    flat: Tensor, begin: Tensor, width: Tensor, top: Tensor, left: Tensor, size: int, mirrored: Tensor
) -> Tensor:
    """(B, size, size) of the planes that begin at `begin` and are `width` wide; all but flat and size are (B,)."""
    along = torch.arange(size, device=flat.device)
    columns = torch.where(mirrored[:, None] > 0, size - 1 - along, along)  # (B, size)
    corner = begin + top * width + left
    index = corner[:, None, None] + along[None, :, None] * width[:, None, None] + columns[:, None]
    return flat[index]
