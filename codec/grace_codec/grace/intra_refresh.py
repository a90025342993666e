"""I-patches (paper B.2): where they lie, and which are worth sending. Knows neither packets nor networks.

The frame is split into at most `period` regions. Coded frame by coded frame, the scanner visits one of them after the
other and considers coding it again without reference to anything, so that errors that have crept in end there. A
patch costs bytes that the P-frame could use, so it is sent only where it lowers the frame's error by more than those
bytes would in the P-frame.

Two decoders whose floating-point arithmetic differs in the last bit drift apart slowly. To bound that, every region is
also refreshed unconditionally: in one scan of `unconditional`, each region's refresh becomes due when it is visited. A
due patch that is larger than its share of the frame's budget is carried over to the next frames, whose shares add up;
after as many frames as there are scans to make up for it, it is coded coarser until it fits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import log2

import cv2

from grace_codec.errors import BackendError
from grace_codec.grace.av1_still import FAST_PRESET, MAX_CRF, MIN_CRF, decode_still, encode_still
from grace_codec.grace.payload import Patch
from grace_codec.types import Budget, Planes

MIN_SIDE_PX = 64  # below, headers outweigh pixels
SLOPE = 0.75  # −d ln(squared error) / d ln(bytes) of P-frames, between 0.05 and 0.3 bits per pixel
MAX_SHARE = 0.5  # of a frame's budget that a patch which was carried over may take
CRF_PER_HALVING = 12  # steps of AV1's quality that halve the bytes of a patch


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
    """The regions of a frame: as square as possible, at most `period`, and no side below MIN_SIDE_PX."""
    most_rows, most_columns = max(1, height // MIN_SIDE_PX), max(1, width // MIN_SIDE_PX)
    pairs = [(r, c) for r in range(1, most_rows + 1) for c in range(1, most_columns + 1) if r * c <= period]
    rows, columns = max(pairs, key=lambda p: (p[0] * p[1], -abs(height / p[0] - width / p[1])))
    ys, xs = _cuts(height, rows), _cuts(width, columns)
    return tuple(Region(top, bottom, left, right) for top, bottom in pairwise(ys) for left, right in pairwise(xs))


@dataclass(frozen=True, slots=True)
class PatchPolicy:
    """period: coded frames per scan (paper: 10 to 30), and the largest number of regions. unconditional: in one scan of
    so many, the last of them, every region is refreshed in any case (0: never, 1: in every scan). share: part of the
    frame's budget that a patch may take; a patch that was carried over may take up to MAX_SHARE."""

    period: int = 30
    unconditional: int = 10
    share: float = 0.2


@dataclass(frozen=True, slots=True)
class Refresh:
    """A patch decoded, and where it goes."""

    region: Region
    shown: Planes


@dataclass(frozen=True, slots=True)
class PatchCandidate:
    """A patch for the next frame. due: it is an unconditional refresh, to be sent even where the P-frame suffers."""

    patch: Patch
    refresh: Refresh
    due: bool


class PatchScanner:
    """Chooses each P-frame's patch. Counts coded frames, not frame ids: a sender that skips frames visits every region.

    Call `next_patch` once per P-frame, then `on_frame` with what was made of it, or `on_key_frame`."""

    def __init__(self, policy: PatchPolicy) -> None:
        self.policy = policy
        self._crf = 36
        self._visited = -1  # P-frames so far, less one
        self._last: tuple[Planes, Planes] | None = None  # the last frame as decoded and as captured
        self._due: deque[int] = deque()  # slots whose unconditional refresh has not been sent, oldest first
        self._waited = 0  # frames since the first of them became first
        self._saved_bytes = 0.0  # shares of those frames
        self._needed_bytes = 0  # size of its patch when it was last coded, 0 when it was not

    def next_patch(self, planes: Planes, budget: Budget) -> PatchCandidate | None:
        """The patch for this frame, or None where none is worth its bytes. planes: the frame as captured."""
        places = regions(*planes[0].shape, self.policy.period)
        own_slot = self._visit(len(places), budget)
        if self._last is None:
            return None
        if self._due and self._saved_bytes >= self._needed_bytes:
            return self._due_patch(places, planes, budget)
        return self._worthwhile_patch(own_slot, places, planes, budget) if own_slot < len(places) else None

    def on_frame(self, shown: Planes, source: Planes, sent: Patch | None) -> None:
        """Note how the P-frame decodes, what it shows, and which patch went out with it."""
        self._last = shown, source
        if sent is not None and sent.slot in self._due:
            self._due.remove(sent.slot)
            self._begin_waiting()

    def on_key_frame(self, shown: Planes, source: Planes) -> None:
        """A key frame refreshes every region."""
        self._last = shown, source
        self._due.clear()
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        self._waited, self._saved_bytes, self._needed_bytes = 0, 0.0, 0

    def _visit(self, count: int, budget: Budget) -> int:
        """Move on to the next slot, which may be beyond the last region, and note which refreshes are due."""
        self._visited += 1
        scan, slot = divmod(self._visited, self.policy.period)
        every = self.policy.unconditional
        if every and scan % every == every - 1 and slot < count and slot not in self._due:
            self._due.append(slot)
        if self._due:
            self._waited += 1
            self._saved_bytes += self.policy.share * budget.frame_bytes
        return slot

    def _due_patch(self, places: tuple[Region, ...], planes: Planes, budget: Budget) -> PatchCandidate | None:
        """The refresh that has been due longest; None where it has to wait for more bytes."""
        slot = self._due[0]
        limit = min(self._saved_bytes, _limit(max(self.policy.share, MAX_SHARE), budget))
        crf = self._crf
        while candidate := _encode(slot, places[slot], planes, crf):
            size = len(candidate.patch.data)
            if size <= limit:
                return replace(candidate, due=True)
            if crf == MAX_CRF or self._waited < self.policy.unconditional:
                self._needed_bytes = size
                break
            crf = min(crf + max(2, round(CRF_PER_HALVING * log2(size / max(limit, 1)))), MAX_CRF)
        return None

    def _worthwhile_patch(
        self, slot: int, places: tuple[Region, ...], planes: Planes, budget: Budget
    ) -> PatchCandidate | None:
        """The patch of this slot where it lowers the frame's error by more than its bytes would in the P-frame."""
        assert self._last is not None
        region = places[slot]
        candidate = _encode(slot, region, planes, self._crf)
        if candidate is None:
            return None
        size, source = len(candidate.patch.data), region.cut(planes)
        standing = _error(region.cut(self._last[0]), region.cut(self._last[1]))
        error = _error(candidate.refresh.shown, source)
        fits = size <= _limit(self.policy.share, budget)
        gain = (1 - error / max(standing, 1e-6)) * source[0].size / planes[0].size
        self._adapt(error, standing, fits)
        return candidate if fits and gain * budget.frame_bytes > SLOPE * size else None

    def _adapt(self, error: float, standing: float, fits: bool) -> None:
        """Follow the quality of the P-frames, just better; but never above the patch's share of the budget."""
        if not fits:
            step = 4
        elif error > standing:
            step = -3
        else:
            step = 1 if error < 0.8 * standing else 0
        self._crf = min(max(self._crf + step, MIN_CRF), MAX_CRF)


def _limit(share: float, budget: Budget) -> float:
    """Bytes that a patch may have, given the part of the budget that it may take."""
    return min(share * budget.frame_bytes, budget.max_payload_bytes - 64)


def _encode(slot: int, region: Region, planes: Planes, crf: int) -> PatchCandidate | None:
    """The region coded at this quality; None where this machine has no encoder."""
    source = region.cut(planes)
    try:
        data = encode_still(source, crf, FAST_PRESET)
    except BackendError:
        return None
    shown = decode_still(data, *source[0].shape[::-1])
    return PatchCandidate(Patch(slot, data), Refresh(region, shown), due=False) if shown is not None else None


def decode_patch(patch: Patch, height: int, width: int, period: int) -> Refresh | None:
    """None where a received patch is unusable."""
    places = regions(height, width, period)
    if patch.slot >= len(places):
        return None
    region = places[patch.slot]
    shown = decode_still(patch.data, region.right - region.left, region.bottom - region.top)
    return Refresh(region, shown) if shown is not None else None


def apply_patch(planes: Planes, refresh: Refresh | None) -> None:
    """Overwrite the patch's region of `planes` in place; None changes nothing."""
    if refresh is not None:
        refresh.region.paste(planes, refresh.shown)


def _error(a: Planes, b: Planes) -> float:
    """Mean squared error of luma."""
    return float(cv2.norm(a[0], b[0], cv2.NORM_L2SQR)) / a[0].size
