"""Block motion in quarter pels: search, overlapped block compensation, and what stands in for vectors that were lost.

Owns the motion field (2, H/16, W/16) int16, order (x, y). Integer arithmetic throughout, so every machine predicts the
same picture. Refuses to know residuals, networks and packets.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from grace_codec.types import Plane

Planes = tuple[Plane, Plane, Plane]
Motion = npt.NDArray[np.int16]  # (2, H16, W16), (x, y) quarter pels

BLOCK = 16  # luma; chroma blocks are 8
MAX_VECTOR = 184  # quarter pels, either component
PADDING = 80  # luma px around the picture: MAX_VECTOR / 4 + a ring block + half a window + filter taps

# HEVC interpolation filters (H.265 8.5.3.3.3), in 64ths. Row: phase in quarter pels (luma), eighth pels (chroma).
_LUMA_TAPS: npt.NDArray[np.float32] = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ],
    np.float32,
) / np.float32(64)
_CHROMA_TAPS: npt.NDArray[np.float32] = np.array(
    [
        [0, 64, 0, 0],
        [-2, 58, 10, -2],
        [-4, 54, 16, -2],
        [-6, 46, 28, -4],
        [-4, 36, 36, -4],
        [-4, 28, 46, -6],
        [-2, 16, 54, -4],
        [-2, 10, 58, -2],
    ],
    np.float32,
) / np.float32(64)


def luma_taps() -> npt.NDArray[np.float32]:
    """(4, 8): one row per quarter-pel phase; tap 3 is the sample itself."""
    return _LUMA_TAPS.copy()


def chroma_taps() -> npt.NDArray[np.float32]:
    """(8, 4): one row per eighth-pel phase; tap 1 is the sample itself."""
    return _CHROMA_TAPS.copy()


def window(block: int) -> npt.NDArray[np.float32]:
    """Overlap weights (2*block, 2*block): a tent; the four windows over a pixel add up to exactly 1."""
    x = np.arange(2 * block)
    ramp = (2 * np.minimum(x, 2 * block - 1 - x) + 1) / (2 * block)
    return np.outer(ramp, ramp).astype(np.float32)


def grid(height: int, width: int) -> tuple[int, int]:
    """Size of the motion field of a picture."""
    return -(-height // BLOCK), -(-width // BLOCK)


class Sampler:
    """A plane that can be read at fractional positions. Phases are interpolated when first asked for."""

    def __init__(self, plane: Plane, block: int) -> None:
        """block: 16 with quarter-pel phases for luma, 8 with eighth-pel phases for chroma."""
        luma = block == BLOCK
        self.block = block
        self._taps = _LUMA_TAPS if luma else _CHROMA_TAPS
        self._bits = 2 if luma else 3
        pad = PADDING if luma else PADDING // 2
        down, right = -plane.shape[0] % block, -plane.shape[1] % block
        self._pad = pad
        self._padded = cv2.copyMakeBorder(plane, pad, pad + down, pad, pad + right, cv2.BORDER_REPLICATE)
        self._phases: dict[int, Plane] = {}

    def whole(self) -> Plane:
        """The plane itself, its size rounded up to whole blocks."""
        return np.asarray(self._padded[self._pad : -self._pad, self._pad : -self._pad])

    def _phase(self, code: int) -> Plane:
        if code not in self._phases:
            fx, fy = code & ((1 << self._bits) - 1), code >> self._bits
            plane = self._padded
            if code:
                taps = self._taps
                anchor = (taps.shape[1] // 2 - 1,) * 2
                plane = cv2.sepFilter2D(plane, -1, taps[fx], taps[fy], anchor=anchor, borderType=cv2.BORDER_REPLICATE)
            self._phases[code] = plane
        return self._phases[code]

    def read(self, top: npt.NDArray[np.intp], left: npt.NDArray[np.intp], vectors: Motion, size: int) -> Plane:
        """Squares of `size` whose corners are (top, left) plus vectors (N, 2): (N, size, size)."""
        out = np.empty((len(vectors), size, size), np.uint8)
        mask = (1 << self._bits) - 1
        code = (vectors[:, 0] & mask) | ((vectors[:, 1] & mask) << self._bits)
        rows = top + self._pad + (vectors[:, 1] >> self._bits)
        columns = left + self._pad + (vectors[:, 0] >> self._bits)
        for each in np.unique(code):
            chosen = code == each
            windows = np.lib.stride_tricks.sliding_window_view(self._phase(int(each)), (size, size))
            out[chosen] = windows[rows[chosen], columns[chosen]]
        return out


class ReferencePicture:
    """A decoded picture as motion compensation sees it."""

    def __init__(self, planes: Planes) -> None:
        self.planes = planes
        self.luma = Sampler(planes[0], BLOCK)
        self.chroma = tuple(Sampler(p, BLOCK // 2) for p in planes[1:])

    def compensate(self, motion: Motion) -> Planes:
        """Overlapped block motion compensation (H.263 annex F's idea with 32x32 tent windows).

        Planes come back with sizes rounded up to whole blocks. Zero motion gives the reference exactly."""
        samplers = (self.luma, *self.chroma)
        if not motion.any():
            y, u, v = (s.whole().copy() for s in samplers)
        else:
            y, u, v = (_compensate(s, motion) for s in samplers)
        return y, u, v


def _compensate(sampler: Sampler, motion: Motion) -> Plane:
    block, half = sampler.block, sampler.block // 2
    _, rows, columns = motion.shape
    field = np.pad(motion, ((0, 0), (1, 1), (1, 1)), mode="edge")  # a ring: every pixel lies under four windows
    # Blocks under a moving window, and the windows that lie over those.
    touched = cv2.dilate((field != 0).any(0).astype(np.uint8), np.ones((3, 3), np.uint8))
    by, bx = np.nonzero(cv2.dilate(touched, np.ones((3, 3), np.uint8)))
    top, left = (by - 1) * block - half, (bx - 1) * block - half
    tiles = np.zeros((rows + 2, columns + 2, 2 * block, 2 * block), np.float32)
    tiles[by, bx] = sampler.read(top, left, field[:, by, bx].T, 2 * block) * window(block)
    canvas = np.zeros(((rows + 3) * block, (columns + 3) * block), np.float32)
    for i in (0, 1):
        for j in (0, 1):
            part = tiles[i::2, j::2]
            h, w = part.shape[0] * 2 * block, part.shape[1] * 2 * block
            canvas[i * block : i * block + h, j * block : j * block + w] += part.transpose(0, 2, 1, 3).reshape(h, w)
    start = block + half
    mixed = np.rint(canvas[start : start + rows * block, start : start + columns * block]).astype(np.uint8)
    untouched = np.kron(touched[1:-1, 1:-1], np.ones((block, block), np.uint8)) == 0
    np.copyto(mixed, sampler.whole(), where=untouched)
    return mixed


def fill_gaps(motion: Motion, received: npt.NDArray[np.bool_]) -> Motion:
    """Lost vectors become the median of the received ones around them, farther ones where all near ones are lost.

    received: (H16, W16). With nothing received all motion is zero."""
    known = received.copy()
    out = np.where(known, motion, 0).astype(np.int16)
    if not known.any():
        return out
    while not known.all():
        values, count = _sorted_neighbours(out, known)
        middle = np.maximum(count - 1, 0) // 2
        median = np.take_along_axis(values, np.broadcast_to(middle, values.shape[:1] + middle.shape)[:, None], 1)[:, 0]
        new = ~known & (count > 0)
        out[:, new] = median[:, new]
        known |= new
    return out


def _sorted_neighbours(motion: Motion, known: npt.NDArray[np.bool_]) -> tuple[Motion, npt.NDArray[np.intp]]:
    """The 8 neighbours' components in rising order, unknown ones last: (2, 8, H16, W16), and how many are known."""
    rows, columns = known.shape
    field = np.pad(np.where(known, motion, np.int16(32767)), ((0, 0), (1, 1), (1, 1)), constant_values=32767)
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    around = np.stack([field[:, i : i + rows, j : j + columns] for i, j in shifts], 1)
    around.sort(1)
    return around, (around[0] != 32767).sum(0)


_SUBTRACT_STILL = 48  # SAD that zero motion is forgiven: it costs few bits and does not blur
_STILL_SAD = 180  # blocks that differ by less (0.7 per pixel) are not searched


class MotionSearch:
    """Finds motion: candidates from dense optical flow and from neighbouring blocks, refined against the reference.

    Keeps no state between frames but the flow's scratch memory."""

    def __init__(self, rounds: int = 2, bit_cost: float = 6.0) -> None:
        """rounds: neighbour exchange and refinement passes; bit_cost: SAD that one bit of a vector is worth."""
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._rounds, self._bit_cost = rounds, bit_cost

    def __call__(self, luma: Plane, reference: ReferencePicture) -> Motion:
        """luma: (H, W) of the frame to predict; any even size of at least 32."""
        rows, columns = grid(*luma.shape)
        current = np.ascontiguousarray(Sampler(luma, BLOCK).whole())
        whole = np.ascontiguousarray(reference.luma.whole())
        search = _BlockSearch(current, reference.luma, self._bit_cost)
        if len(search.active) == 0:
            return search.motion()
        flow = self._flow.calc(current, whole, None)
        mean = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA).reshape(-1, 2)
        centre = flow[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK].reshape(-1, 2)
        for candidate in (mean, centre):
            search.offer(np.rint(np.nan_to_num(candidate) * 4).clip(-MAX_VECTOR, MAX_VECTOR).astype(np.int16))
        for step in (4, 2)[: self._rounds]:
            search.exchange()
            search.refine(step)
        return search.motion()


class _BlockSearch:
    """The best vector of every block so far."""

    def __init__(self, current: Plane, reference: Sampler, bit_cost: float) -> None:
        rows, columns = grid(*current.shape)
        self._shape = rows, columns
        self._reference, self._bit_cost = reference, bit_cost
        by, bx = np.divmod(np.arange(rows * columns), columns)
        self._top, self._left = by * BLOCK, bx * BLOCK
        tiles = current.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
        self._blocks = np.ascontiguousarray(tiles).reshape(-1, BLOCK, BLOCK)
        difference = cv2.absdiff(current, np.ascontiguousarray(reference.whole()))
        still = difference.reshape(rows, BLOCK, columns, BLOCK).sum((1, 3), dtype=np.int32).reshape(-1)
        self.active = np.flatnonzero(still > _STILL_SAD)
        self._vectors = np.zeros((rows * columns, 2), np.int16)
        self._best = still.astype(np.float32) - _SUBTRACT_STILL
        self._expected = np.zeros((rows * columns, 2), np.int16)

    def motion(self) -> Motion:
        return np.ascontiguousarray(self._vectors.T.reshape(2, *self._shape))

    def offer(self, candidates: Motion, tried: npt.NDArray[np.intp] | None = None) -> None:
        """Take each candidate (N, 2) where it costs less; only active blocks are looked at."""
        at = self.active if tried is None else tried
        at = at[(candidates[at] != self._vectors[at]).any(1)]
        if len(at) == 0:
            return
        vectors = candidates[at]
        squares = self._reference.read(self._top[at], self._left[at], vectors, BLOCK)
        difference = cv2.absdiff(squares.reshape(-1, BLOCK), self._blocks[at].reshape(-1, BLOCK))
        cost = difference.reshape(len(at), -1).sum(1, dtype=np.int32) + self._bits(vectors, at) * self._bit_cost
        better = cost < self._best[at]
        chosen = at[better]
        self._best[chosen] = cost[better]
        self._vectors[chosen] = vectors[better]

    def _bits(self, vectors: Motion, at: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        distance = np.abs(vectors - self._expected[at]).astype(np.float32)
        return np.asarray(np.log2(1 + distance).sum(1), np.float32)

    def exchange(self) -> None:
        """Offer every block its neighbours' vectors and their median, which is also what its bits are counted from."""
        rows, columns = self._shape
        field = np.pad(self._vectors.reshape(rows, columns, 2), ((1, 1), (1, 1), (0, 0)), mode="edge")
        around = [field[i : i + rows, j : j + columns].reshape(-1, 2) for i, j in ((0, 1), (2, 1), (1, 0), (1, 2))]
        self._expected = np.sort(np.stack(around), 0)[1]
        for candidate in (*around, self._expected):
            self.offer(candidate)

    def refine(self, step: int) -> None:
        """Descend along the axes with halving steps down to a quarter pel."""
        while step:
            centre = self._vectors.copy()
            moving = self.active[centre[self.active].any(1)] if step < 2 else self.active
            for dx, dy in ((step, 0), (-step, 0), (0, step), (0, -step)):
                shifted = (centre + np.array([dx, dy], np.int16)).clip(-MAX_VECTOR, MAX_VECTOR)
                self.offer(shifted, moving)
            step //= 2
