"""Motion search: the vectors from which overlapped compensation predicts a frame best, at a price for their bits.

Searching each block on its own, by the difference between the block and the moved reference, is the classical method.
It is not what the decoder does: under OBMC (compensation.py) nine vectors share every sample, so a vector that is best
for its block alone can be wrong next to its neighbours' vectors. The search therefore has two stages.

1. *Start.* Dense optical flow (Kroeger et al., "Fast optical flow using dense inverse search", 2016) offers two
   vectors for every block, its mean over the block and its value at the centre. Of these and no motion, the one with
   the least sum of absolute differences (SAD) is taken.
2. *Refinement.* Coordinate descent on the sum over the frame of |frame − OBMC prediction| plus the price of vectors. A
   running total holds the OBMC prediction of the whole field. For one block, its own vector's share is taken out of
   the total, and candidates (the neighbours' vectors, their median, no motion, steps of a quarter pel) are judged by
   the SAD in the middle 32x32 samples of the window, where nine tenths of its weight are (Orchard and Sullivan,
   "Overlapped block motion compensation: an estimation-theoretic approach", 1994). A block is looked at again only
   where a neighbour has changed. Blocks of every third row are independent of each other and are shared by threads.

Refinement is worth 0.4 dB of SSIM at equal bytes over blocks searched on their own.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.motion import kernels
from grace_codec.motion.compensation import WINDOWS, ReferenceFrame
from grace_codec.motion.field import BLOCK, LEAST_BIT_PRICE, MAX_VECTOR, Flags, Motion, coarsened, grid, whole_blocks
from grace_codec.motion.interpolation import EIGHT_TAPS, PADDING, PHASES, interpolate
from grace_codec.motion.kernels import Refinement, SubpelPlanes
from grace_codec.runtime.thread_pool import BackgroundTask, in_parts
from grace_codec.types import Plane

_STILL_SAD = 90  # a block that differs by less from the reference (0.35 per sample) is not searched
_STILL_BONUS = 20  # SAD by which no motion is preferred to what optical flow offers, because it does not blur


class FindMotion(Protocol):
    """Any motion search."""

    def __call__(self, luma: Plane, reference: ReferenceFrame, bit_price: float = ...) -> Motion:
        """The field that predicts `luma` (H, W) from the reference, of the same size. bit_price: what one bit of a
        vector has to save, in SAD."""
        ...


MAX_BIT_PRICE = 1e4  # SAD; beyond it no vector pays
_COMPONENT_BITS = 2 * np.log2(1 + np.arange(2 * MAX_VECTOR + 1))

_COARSE_STARTS = ((1500.0, 8), (400.0, 4), (110.0, 2))
"""Where a bit costs at least so much SAD, the search starts from one vector for each so many blocks squared. Refinement
changes one block at a time and cannot bring a field together whose vectors differ everywhere. Only budgets that
motion alone does not fit have such prices."""


def _prices(bit_price: float) -> npt.NDArray[np.int32]:
    """What a component costs, in 64ths of SAD, by its difference to the neighbours' median: a difference of d takes
    about 2·log2(1 + d) bits."""
    return np.rint(64 * min(bit_price, MAX_BIT_PRICE) * _COMPONENT_BITS).astype(np.int32)


class MotionSearch:
    """The search described above. Keeps nothing between frames but scratch memory; not thread-safe because of it.

    passes: of refinement over the frame (a third one saves 1 % of rate)."""

    def __init__(self, passes: int = 2) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._passes = passes
        self._scratch = np.empty((0, 0, 0), np.uint8)

    def __call__(self, luma: Plane, reference: ReferenceFrame, bit_price: float = LEAST_BIT_PRICE) -> Motion:
        """luma: (H, W) of the frame to predict, of any even size of at least 32 and that of the reference, else
        ValueError is raised."""
        if luma.shape != reference.luma.shape:
            raise ValueError(f"frame is {luma.shape}, its reference {reference.luma.shape}")
        rows, columns = grid(*luma.shape)
        current, before = whole_blocks(luma, BLOCK), whole_blocks(reference.luma, BLOCK)
        difference = cv2.absdiff(current, before).reshape(rows, BLOCK, columns, BLOCK)
        active = difference.sum((1, 3), dtype=np.int32) > _STILL_SAD
        vectors = np.zeros((rows, columns, 2), np.int16)
        if active.any():
            planes = BackgroundTask(lambda: self._interpolated(reference.luma, current.shape))
            self._start(current, before, active, vectors)
            if cell := next((cell for price, cell in _COARSE_STARTS if bit_price >= price), 0):
                vectors = coarsened(vectors.transpose(2, 0, 1), cell).transpose(1, 2, 0)
            vectors = self._refined(vectors, current, planes.result(), active, bit_price)
        return np.ascontiguousarray(vectors.transpose(2, 0, 1))

    def _start(self, current: Plane, before: Plane, active: Flags, vectors: Motion) -> None:
        """Fill in the starting vectors (rows, columns, 2) of the active blocks."""
        rows, columns = active.shape
        flow = self._flow.calc(current, before, None)
        mean = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA)
        centre = flow[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK]
        offers = np.rint(np.nan_to_num(np.stack([mean, centre])) * 4).clip(-MAX_VECTOR, MAX_VECTOR).astype(np.int16)

        def some_rows(first: int, last: int) -> None:
            kernels.choose(current, before, EIGHT_TAPS[BLOCK], active, offers, _STILL_BONUS, first, last, vectors)

        in_parts(some_rows, rows)

    def _refined(
        self, vectors: Motion, current: Plane, planes: SubpelPlanes, active: Flags, bit_price: float
    ) -> Motion:
        """(rows, columns, 2) vectors to better ones, every third row at a time."""
        field = np.pad(vectors, ((1, 1), (1, 1), (0, 0)), mode="edge")
        total = np.empty(current.shape, np.float32)
        work = Refinement(
            current, planes, WINDOWS[BLOCK], _prices(bit_price), active, MAX_VECTOR, np.pad(active, 1), field, total
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
