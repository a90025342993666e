"""I-patches (paper B.2): where they lie, and which are worth sending. Knows neither packets nor networks.

The picture is split into at most `period` regions; frame by frame one of them is coded again without reference to
anything, so that whatever error has crept in is gone after one scan. A patch costs bits that the P-frame could use, so
it is sent only where it lowers the picture's error by more than they would there, or where its turn for an
unconditional refresh has come (which bounds the drift between devices whose arithmetic differs in the last bit).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2

from grace_codec.errors import BackendError
from grace_codec.grace.av1_still import FAST_PRESET, MAX_CRF, MIN_CRF, Planes, decode_still, encode_still
from grace_codec.grace.payload import Patch
from grace_codec.types import Budget

MIN_SIDE_PX = 64  # below, headers outweigh pixels
SLOPE = 0.75  # −d ln(squared error) / d ln(bytes) of P-frames, between 0.05 and 0.3 bits per pixel


@dataclass(frozen=True, slots=True)
class Region:
    """Luma pixels [top, bottom) x [left, right), all even."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, planes: Planes) -> Planes:
        y, u, v = planes
        half = slice(self.top // 2, self.bottom // 2), slice(self.left // 2, self.right // 2)
        return y[self.top : self.bottom, self.left : self.right], u[half], v[half]

    def paste(self, planes: Planes, patch: Planes) -> None:
        """Overwrite this region of `planes` in place."""
        for target, source in zip(self.cut(planes), patch, strict=True):
            target[...] = source


def _cuts(length: int, parts: int) -> list[int]:
    return [round(length * i / parts / 8) * 8 for i in range(parts)] + [length]


@lru_cache(maxsize=8)
def regions(height: int, width: int, period: int) -> tuple[Region, ...]:
    """The regions of a picture: as square as it goes, at most `period`, none smaller than MIN_SIDE_PX a side."""
    most_rows, most_columns = max(1, height // MIN_SIDE_PX), max(1, width // MIN_SIDE_PX)
    pairs = [(r, c) for r in range(1, most_rows + 1) for c in range(1, most_columns + 1) if r * c <= period]
    rows, columns = max(pairs, key=lambda p: (p[0] * p[1], -abs(height / p[0] - width / p[1])))
    ys, xs = _cuts(height, rows), _cuts(width, columns)
    return tuple(Region(top, bottom, left, right) for top, bottom in pairwise(ys) for left, right in pairwise(xs))


@dataclass(frozen=True, slots=True)
class PatchPolicy:
    """period: frames per scan (paper: 10 to 30). unconditional: one scan in so many sends its patches in any case, the
    last of them (0: none, 1: all). share: of the frame's budget that a patch may take."""

    period: int = 30
    unconditional: int = 10
    share: float = 0.2


class PatchScanner:
    """Chooses each frame's patch. State: the quality setting it last used, and how good the picture stood."""

    def __init__(self, policy: PatchPolicy) -> None:
        self.policy = policy
        self._crf = 36
        self._standing: float | None = None  # mean squared error of the next region in the last picture

    def next_patch(self, frame_id: int, planes: Planes, budget: Budget) -> tuple[Patch, Refresh] | None:
        """The patch for this frame with its decoded picture, or None where none is worth its bytes."""
        height, width = planes[0].shape
        places = regions(height, width, self.policy.period)
        slot = frame_id % self.policy.period
        if slot >= len(places) or self._standing is None:
            return None
        scan, every = frame_id // self.policy.period, self.policy.unconditional
        due = every > 0 and scan % every == every - 1
        region = places[slot].cut(planes)
        try:
            data = encode_still((region[0], region[1], region[2]), self._crf, FAST_PRESET)
        except BackendError:
            return None
        shown = decode_still(data, *region[0].shape[::-1])
        if shown is None:
            return None
        error = _error(shown, region)
        fits = len(data) <= min(self.policy.share * budget.frame_bytes, budget.max_payload_bytes - 64)
        gain = (1 - error / max(self._standing, 1e-6)) * region[0].size / planes[0].size
        worth = fits and (due or gain * budget.frame_bytes > SLOPE * len(data))
        self._adapt(error, fits)
        return (Patch(slot, data), Refresh(places[slot], shown)) if worth else None

    def on_picture(self, frame_id: int, shown: Planes, source: Planes) -> None:
        """Note how good the region of the next frame's patch stands in this picture."""
        height, width = source[0].shape
        places = regions(height, width, self.policy.period)
        slot = (frame_id + 1) % self.policy.period
        self._standing = _error(places[slot].cut(shown), places[slot].cut(source)) if slot < len(places) else None

    def _adapt(self, error: float, fits: bool) -> None:
        """Follow the quality of the P-frames, just better; but never above the patch's share of the budget."""
        assert self._standing is not None
        if not fits:
            step = 4
        elif error > self._standing:
            step = -3
        else:
            step = 1 if error < 0.8 * self._standing else 0
        self._crf = min(max(self._crf + step, MIN_CRF), MAX_CRF)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A patch's picture and where it goes."""

    region: Region
    shown: Planes


def decode_patch(patch: Patch, height: int, width: int, period: int) -> Refresh | None:
    """None where a received patch is unusable."""
    places = regions(height, width, period)
    if patch.slot >= len(places):
        return None
    region = places[patch.slot]
    shown = decode_still(patch.data, region.right - region.left, region.bottom - region.top)
    return Refresh(region, shown) if shown is not None else None


def apply_patch(planes: Planes, refresh: Refresh | None) -> None:
    """Put a patch into a picture, in place; without one it stays as it is."""
    if refresh is not None:
        refresh.region.paste(planes, refresh.shown)


def _error(a: Planes, b: Planes) -> float:
    """Mean squared error of luma."""
    return float(cv2.norm(a[0], b[0], cv2.NORM_L2SQR)) / a[0].size
