"""Block motion in quarter pels: search, overlapped block compensation, and what stands in for vectors that were lost.

Owns the motion field (2, H/16, W/16) int16, order (x, y). Integer arithmetic throughout, so every machine predicts the
same picture. Refuses to know residuals, networks and packets.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.motion import kernels
from grace_codec.motion.kernels import BESIDE, Refinement, SubpelPlanes
from grace_codec.runtime.thread_pool import BackgroundTask, in_parts
from grace_codec.types import Plane, Planes

Motion = npt.NDArray[np.int16]  # (2, H16, W16), (x, y) quarter pels
Flags = npt.NDArray[np.bool_]

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
    """What a vector weighs in and around its block, (3*block, 3*block): a quadratic B-spline, in 64ths each way. The
    nine windows over a pixel add up to exactly 1.

    Measured against tents over two blocks, at equal bytes: 0.07 dB of SSIM in the mean of 16 clips, up to 0.3 dB, and
    losses hurt 6 % less."""
    rising = np.rint(32 * ((2 * np.arange(block) + 1) / (2 * block)) ** 2)
    line = np.concatenate([rising, 64 - rising - rising[::-1], rising[::-1]]) / 64
    return np.outer(line, line).astype(np.float32)


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
    """(4, 8): as `taps`, in 64ths, the sample itself in the fourth column."""
    few = 64 * taps(block)
    spare = (8 - few.shape[1]) // 2
    return np.ascontiguousarray(np.pad(few, ((0, 0), (spare, spare))))


_EIGHT = {block: _eight_taps(block) for block in (BLOCK, BLOCK // 2)}
_WINDOW = {block: 4096 * window(block) for block in (BLOCK, BLOCK // 2)}


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
        """Overlapped block motion compensation (H.263 annex F's idea with windows of three by three blocks).

        Planes come back fresh, with sizes rounded up to whole blocks. Zero motion gives the reference exactly. Raises
        ValueError for a field of another size."""
        rows, columns = grid(*self.luma.shape)
        if motion.shape != (2, rows, columns):
            raise ValueError(f"motion of shape {motion.shape} for a picture of {rows} x {columns} blocks")
        blocks = BLOCK, BLOCK // 2, BLOCK // 2
        if not motion.any():
            y, u, v = (_padded(p, b).copy() for p, b in zip(self._contiguous, blocks, strict=True))
            return y, u, v
        ringed = np.pad(motion, ((0, 0), (1, 1), (1, 1)), mode="edge")  # every pixel lies under nine windows
        field = np.ascontiguousarray(ringed.transpose(1, 2, 0), np.int16)
        halved = np.rint(field / 2).astype(np.int16)
        fields = field, halved, halved
        y, u, v = (np.empty((rows * b, columns * b), np.uint8) for b in blocks)

        def some_rows(first: int, last: int) -> None:
            for plane, each, block, out in zip(self._contiguous, fields, blocks, (y, u, v), strict=True):
                kernels.overlap(plane, each, block, _EIGHT[block], _WINDOW[block], first, last, out)

        in_parts(some_rows, rows)
        return y, u, v


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


def interpolate(luma: Plane, out: npt.NDArray[np.uint8]) -> SubpelPlanes:
    """The sub-pel planes of a frame (H, W) with its repeated edge around: PADDING px, and what `out`
    (16, at least H + 2·PADDING, at least W + 2·PADDING) has more to the right and at the bottom."""
    planes = SubpelPlanes(out, PADDING)
    height, width = luma.shape
    near, bottom, right = PADDING - BESIDE, PADDING + height + BESIDE, PADDING + width + BESIDE
    whole = luma if width % 8 == 0 else np.pad(luma, ((0, 0), (0, -width % 8)), mode="edge")

    def some_rows(first: int, last: int) -> None:
        kernels.subpel_planes(whole, _EIGHT[BLOCK], first, last, planes)
        rows = out[:, near + first : near + last]
        rows[:, :, :near], rows[:, :, right:] = rows[:, :, near : near + 1], rows[:, :, right - 1 : right]

    in_parts(some_rows, bottom - near)
    out[:, :near], out[:, bottom:] = out[:, near : near + 1], out[:, bottom - 1 : bottom]
    return planes


_STILL_SAD = 90  # blocks that differ by less (0.35 per pixel) are not searched
_STILL_BONUS = 20  # SAD that no motion is forgiven over what optical flow offers: it does not blur


class MotionSearch:
    """Finds motion: dense optical flow's offers, then passes of refinement in which every vector is judged by what
    overlapped compensation makes of it. (Judged by its own block alone: 0.4 dB of SSIM less at equal bytes.)

    Keeps nothing between frames but scratch memory."""

    def __init__(self, passes: int = 2, bit_cost: float = 0.5) -> None:
        """passes: a third one saves 1 % of rate; bit_cost: SAD that one bit of a vector is worth."""
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._passes = passes
        self._scratch = np.empty((0, 0, 0), np.uint8)
        # bits of a component: twice the logarithm of its difference to the neighbours' median
        self._prices = np.rint(64 * 2 * bit_cost * np.log2(1 + np.arange(2 * MAX_VECTOR + 1))).astype(np.int32)

    def __call__(self, luma: Plane, reference: ReferencePicture) -> Motion:
        """luma: (H, W) of the frame to predict; any even size of at least 32, that of the reference."""
        if luma.shape != reference.luma.shape:
            raise ValueError(f"frame is {luma.shape}, its reference {reference.luma.shape}")
        rows, columns = grid(*luma.shape)
        current, whole = _padded(luma, BLOCK), _padded(reference.luma, BLOCK)
        difference = cv2.absdiff(current, whole).reshape(rows, BLOCK, columns, BLOCK)
        active = difference.sum((1, 3), dtype=np.int32) > _STILL_SAD
        vectors = np.zeros((rows, columns, 2), np.int16)
        if active.any():
            planes = BackgroundTask(lambda: self._interpolated(reference.luma, current.shape))
            self._choose(current, whole, active, vectors)
            vectors = self._refined(vectors, current, planes.result(), active)
        return np.ascontiguousarray(vectors.transpose(2, 0, 1))

    def _choose(self, current: Plane, whole: Plane, active: Flags, vectors: Motion) -> None:
        """Start from optical flow: its mean over each block, and its value at the block's centre."""
        rows, columns = active.shape
        flow = self._flow.calc(current, whole, None)
        mean = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA)
        centre = flow[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK]
        offers = np.rint(np.nan_to_num(np.stack([mean, centre])) * 4).clip(-MAX_VECTOR, MAX_VECTOR).astype(np.int16)

        def some_rows(first: int, last: int) -> None:
            kernels.choose(current, whole, _EIGHT[BLOCK], active, offers, _STILL_BONUS, first, last, vectors)

        in_parts(some_rows, rows)

    def _refined(self, vectors: Motion, current: Plane, planes: SubpelPlanes, active: Flags) -> Motion:
        """(rows, columns, 2) vectors to better ones. Every third row at a time: their windows do not touch."""
        field = np.pad(vectors, ((1, 1), (1, 1), (0, 0)), mode="edge")
        total = np.empty(current.shape, np.float32)
        work = Refinement(
            current, planes, _WINDOW[BLOCK], self._prices, active, MAX_VECTOR, np.pad(active, 1), field, total
        )

        def predict(first: int, last: int) -> None:
            kernels.obmc_total(planes, work.window, field, first, last, total)

        in_parts(predict, len(vectors))
        for k in range(3 * self._passes):

            def some_rows(first: int, last: int, start: int = k % 3) -> None:
                kernels.refine(work, start, first, last)

            in_parts(some_rows, (len(vectors) + 2 - k % 3) // 3)
        return np.ascontiguousarray(field[1:-1, 1:-1])

    def _interpolated(self, luma: Plane, shape: tuple[int, ...]) -> SubpelPlanes:
        """As `interpolate`, for whole blocks. The next search uses its memory again."""
        size = PHASES**2, shape[0] + 2 * PADDING, shape[1] + 2 * PADDING
        if self._scratch.shape != size:
            self._scratch = np.empty(size, np.uint8)
        return interpolate(luma, self._scratch)
