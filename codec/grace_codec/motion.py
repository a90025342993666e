"""Block motion in quarter pels: search, overlapped block compensation, and what stands in for vectors that were lost.

Owns the motion field (2, H/16, W/16) int16, order (x, y). Integer arithmetic throughout, so every machine predicts the
same picture. Refuses to know residuals, networks and packets.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.kernels import in_parts
from grace_codec.kernels import motion as kernels
from grace_codec.types import Plane

Planes = tuple[Plane, Plane, Plane]
Motion = npt.NDArray[np.int16]  # (2, H16, W16), (x, y) quarter pels

BLOCK = 16  # luma; chroma blocks are 8
MAX_VECTOR = 184  # quarter pels, either component
PHASES = 4  # quarter pels
PADDING = 80  # luma px around the picture that are read: MAX_VECTOR / 4 + a ring block + half a window + filter taps

# HEVC's quarter-pel interpolation (H.265 8.5.3.3.3), in 64ths; tap 3 (luma), 1 (chroma) is the sample itself. Chroma
# vectors are rounded to quarter pels too: an eighth of a chroma pixel shows nowhere, and costs 48 more phases.
_LUMA_TAPS = (
    (0, 0, 0, 64, 0, 0, 0, 0),
    (-1, 4, -10, 58, 17, -5, 1, 0),
    (-1, 4, -11, 40, 40, -11, 4, -1),
    (0, 1, -5, 17, 58, -10, 4, -1),
)
_CHROMA_TAPS = ((0, 64, 0, 0), (-4, 54, 16, -2), (-4, 36, 36, -4), (-2, 16, 54, -4))


def taps(block: int) -> npt.NDArray[np.float32]:
    """One row per quarter-pel phase: (4, 8) for luma (block 16), (4, 4) for chroma (block 8)."""
    return np.array(_LUMA_TAPS if block == BLOCK else _CHROMA_TAPS, np.float32) / np.float32(64)


def window(block: int) -> npt.NDArray[np.float32]:
    """Overlap weights (2*block, 2*block): a tent; the four windows over a pixel add up to exactly 1."""
    x = np.arange(2 * block)
    ramp = (2 * np.minimum(x, 2 * block - 1 - x) + 1) / (2 * block)
    return np.outer(ramp, ramp).astype(np.float32)


def grid(height: int, width: int) -> tuple[int, int]:
    """Size of the motion field of a picture."""
    return -(-height // BLOCK), -(-width // BLOCK)


def _padded(plane: Plane, block: int) -> Plane:
    """The plane with its size rounded up to whole blocks by repeating the edge; itself where nothing is missing."""
    down, right = -plane.shape[0] % block, -plane.shape[1] % block
    if down or right:
        plane = np.asarray(cv2.copyMakeBorder(plane, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return np.ascontiguousarray(plane)


def _eight_taps(block: int) -> npt.NDArray[np.float32]:
    """(4, 8): as `taps`, the sample itself in the fourth column."""
    few = taps(block)
    spare = (8 - few.shape[1]) // 2
    return np.ascontiguousarray(np.pad(few, ((0, 0), (spare, spare))))


_EIGHT = {block: _eight_taps(block) for block in (BLOCK, BLOCK // 2)}


class ReferencePicture:
    """A decoded picture as motion compensation sees it. `planes`: of even sizes."""

    def __init__(self, planes: Planes) -> None:
        self.planes = planes
        y, u, v = planes
        self._contiguous = np.ascontiguousarray(y), np.ascontiguousarray(u), np.ascontiguousarray(v)

    @property
    def luma(self) -> Plane:
        return self._contiguous[0]

    def compensate(self, motion: Motion) -> Planes:
        """Overlapped block motion compensation (H.263 annex F's idea with 32x32 tent windows).

        Planes come back fresh, with sizes rounded up to whole blocks. Zero motion gives the reference exactly. Raises
        ValueError for a field of another size."""
        rows, columns = grid(*self.luma.shape)
        if motion.shape != (2, rows, columns):
            raise ValueError(f"motion of shape {motion.shape} for a picture of {rows} x {columns} blocks")
        blocks = BLOCK, BLOCK // 2, BLOCK // 2
        if not motion.any():
            y, u, v = (_padded(p, b).copy() for p, b in zip(self._contiguous, blocks, strict=True))
            return y, u, v
        ringed = np.pad(motion, ((0, 0), (1, 1), (1, 1)), mode="edge")  # every pixel lies under four windows
        field = np.ascontiguousarray(ringed.transpose(1, 2, 0), np.int16)
        halved = np.rint(field / 2).astype(np.int16)
        fields = field, halved, halved
        y, u, v = (np.empty((rows * b, columns * b), np.uint8) for b in blocks)

        def some_rows(first: int, last: int) -> None:
            for plane, each, block, out in zip(self._contiguous, fields, blocks, (y, u, v), strict=True):
                kernels.overlap(plane, each, block, _EIGHT[block], first, last, out)

        in_parts(some_rows, rows + 1)
        return y, u, v


def corner(block: int, parity: int) -> int:
    """How far into its first window a plane begins: windows of the ring block start 3/2 blocks before the plane."""
    return block + block // 2 - block * parity


_NEAR = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], np.float32)


def fill_gaps(motion: Motion, received: npt.NDArray[np.bool_]) -> Motion:
    """Lost vectors become the weighted mean of the received ones around them, of farther ones where all near are lost.

    motion: (C, H16, W16), received: (H16, W16). With nothing received all motion is zero. Sums of small integers and
    one division: the same on every machine. Measured against the median: 0.1 dB better at half, 0.2 at 80 % loss."""
    known = received.copy()
    out = np.where(known, motion, 0).astype(np.int16)
    while known.any() and not known.all():
        weight = cv2.filter2D(known.astype(np.float32), -1, _NEAR, borderType=cv2.BORDER_CONSTANT)
        new = ~known & (weight > 0)
        for component in out:
            total = cv2.filter2D(component.astype(np.float32), -1, _NEAR, borderType=cv2.BORDER_CONSTANT)
            component[new] = np.rint(total[new] / weight[new])
        known |= new
    return out


_SUBTRACT_STILL = 48  # SAD that zero motion is forgiven: it costs few bits and does not blur
_STILL_SAD = 180  # blocks that differ by less (0.7 per pixel) are not searched


class MotionSearch:
    """Finds motion: candidates from dense optical flow and from neighbouring blocks, refined against the reference.

    Keeps no state between frames but the flow's scratch memory."""

    def __init__(self, rounds: int = 1, bit_cost: float = 6.0) -> None:
        """rounds: neighbour exchange and refinement passes (a second one saves 1 % of rate, but takes a third longer);
        bit_cost: SAD that one bit of a vector is worth."""
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._rounds, self._bit_cost = rounds, bit_cost

    def __call__(self, luma: Plane, reference: ReferencePicture) -> Motion:
        """luma: (H, W) of the frame to predict; any even size of at least 32, that of the reference."""
        if luma.shape != reference.luma.shape:
            raise ValueError(f"frame is {luma.shape}, its reference {reference.luma.shape}")
        rows, columns = grid(*luma.shape)
        current, whole = _padded(luma, BLOCK), _padded(reference.luma, BLOCK)
        difference = cv2.absdiff(current, whole).reshape(rows, BLOCK, columns, BLOCK)
        still = difference.sum((1, 3), dtype=np.int32)
        vectors = np.zeros((rows, columns, 2), np.int16)
        if not (still > _STILL_SAD).any():
            return np.ascontiguousarray(vectors.transpose(2, 0, 1))
        flow = self._flow.calc(current, whole, None)
        mean = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA)
        centre = flow[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK]
        offers = np.rint(np.nan_to_num(np.stack([mean, centre])) * 4).clip(-MAX_VECTOR, MAX_VECTOR).astype(np.int16)
        zero_sad = np.where(still > _STILL_SAD, still.astype(np.float32) - _SUBTRACT_STILL, -np.inf).astype(np.float32)
        search = _BlockSearch(current, reference.luma, zero_sad, self._bit_cost)
        vectors = search.better(vectors, offers)
        for step in (*(2, 1)[: self._rounds], 0):
            vectors = search.better(vectors, _NO_OFFERS, step)
        return np.ascontiguousarray(vectors.transpose(2, 0, 1))


_LOGARITHMS = np.log2(1 + np.arange(2 * MAX_VECTOR + 1, dtype=np.float32))
_NO_OFFERS = np.zeros((0, 0, 0, 2), np.int16)


class _BlockSearch:
    """The best vector of every block so far, by SAD plus what its difference to the neighbours' median would cost."""

    def __init__(self, current: Plane, reference: Plane, zero_sad: npt.NDArray[np.float32], bit_cost: float) -> None:
        self._current, self._reference = current, reference
        self._zero_sad, self._sad = zero_sad, zero_sad.copy()
        self._bit_cost = np.float32(2 * bit_cost)  # bits of a component: twice the logarithm

    def better(self, vectors: Motion, offers: Motion, step: int = 0) -> Motion:
        """vectors: (rows, columns, 2), as returned last, at first zero. See kernels.motion.search."""
        after = np.empty_like(vectors)

        def some_rows(first: int, last: int) -> None:
            kernels.search(
                self._current, self._reference, _EIGHT[BLOCK], _LOGARITHMS, self._bit_cost, self._zero_sad, offers,
                step, MAX_VECTOR, first, last, vectors, self._sad, after,
            )  # fmt: skip

        in_parts(some_rows, len(vectors))
        return after
