"""Laws of refining motion: sub-pel planes are what compensation reads, the running OBMC total is what it
shows, and every change of a vector pays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.codec.grace_parts import texture

from grace_codec.motion import kernels
from grace_codec.motion.compensation import ReferenceFrame, window
from grace_codec.motion.field import BLOCK, MAX_VECTOR, grid
from grace_codec.motion.interpolation import PADDING, interpolate
from grace_codec.motion.kernels import Refinement, SubpelPlanes
from grace_codec.motion.search import MotionSearch
from grace_codec.runtime import thread_pool

Array = np.ndarray[Any, Any]


WINDOW = 4096 * window(BLOCK)


def moved(luma: Array) -> SubpelPlanes:
    rows, columns = grid(*luma.shape)
    return interpolate(luma, np.empty((16, rows * BLOCK + 2 * PADDING, columns * BLOCK + 2 * PADDING), np.uint8))


def ringed(vectors: Array) -> Array:
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (1, 1), (1, 1)), mode="edge").transpose(1, 2, 0))


def some_vectors(rows: int, columns: int, seed: int) -> Array:
    drawn = np.random.default_rng(seed).integers(-MAX_VECTOR, MAX_VECTOR + 1, (2, rows, columns)).astype(np.int16)
    drawn[:, ::2] //= 16
    return drawn


@pytest.mark.parametrize("vector", [(0, 0), (5, -3), (-62, 37), (MAX_VECTOR, -MAX_VECTOR), (-MAX_VECTOR, MAX_VECTOR)])
def test_a_subpel_plane_is_the_frame_moved(vector: tuple[int, int]) -> None:
    y, u, v = texture(66, 98)  # neither size in whole blocks
    field = np.empty((2, 5, 7), np.int16)
    field[0], field[1] = vector
    shown, _, _ = ReferenceFrame((y, u, v)).compensate(field)
    top, left = PADDING + (vector[1] >> 2), PADDING + (vector[0] >> 2)
    plane = moved(y).pixels[4 * (vector[0] & 3) + (vector[1] & 3)]
    assert np.array_equal(shown, plane[top : top + 80, left : left + 112])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_obmc_total_is_what_compensation_rounds(seed: int) -> None:
    planes = texture(64, 96, seed)
    field = some_vectors(4, 6, seed)
    total = np.empty((64, 96), np.float32)
    for first, last in ((0, 1), (1, 4)):
        kernels.obmc_total(moved(planes[0]), WINDOW, ringed(field), first, last, total)
    assert np.array_equal(np.rint(total / 4096), ReferenceFrame(planes).compensate(field)[0])


def refined(parts: int, prices: Array) -> tuple[Array, Array, list[float]]:
    """Field, total and its SAD after each third of a pass, done in so many parts, last one first."""
    reference, current = texture(80, 112, 5)[0], texture(80, 112, 6)[0]
    planes = moved(reference)
    field, total = ringed(some_vectors(5, 7, 3)), np.empty((80, 112), np.float32)
    active = np.ones((5, 7), np.bool_)
    kernels.obmc_total(planes, WINDOW, field, 0, 5, total)
    work = Refinement(current, planes, WINDOW, prices, active, MAX_VECTOR, np.pad(active, 1), field, total)
    sads = [float(np.abs(4096 * current.astype(np.float32) - total).sum())]
    for k in range(6):
        for part in reversed(range(parts)):
            kernels.refine(work, k % 3, 2 * part // parts, 2 * (part + 1) // parts)
        sads.append(float(np.abs(4096 * current.astype(np.float32) - total).sum()))
    return field, total, sads


FREE = np.zeros(2 * MAX_VECTOR + 1, np.int32)


def test_the_total_follows_the_field() -> None:
    field, total, _ = refined(1, FREE)
    again = np.empty_like(total)
    kernels.obmc_total(moved(texture(80, 112, 5)[0]), WINDOW, field, 0, 5, again)
    assert np.array_equal(total, again)


def test_where_vectors_are_free_the_sad_only_falls() -> None:
    _, _, sads = refined(1, FREE)
    assert sads == sorted(sads, reverse=True)
    assert sads[-1] < 0.9 * sads[0]


def test_parts_may_be_done_in_any_order() -> None:
    whole, parts = refined(1, FREE), refined(2, FREE)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


def test_dear_vectors_become_alike() -> None:
    dear = np.rint(640_000 * np.log2(1 + np.arange(2 * MAX_VECTOR + 1))).astype(np.int32)
    field, _, _ = refined(1, dear)
    free, _, _ = refined(1, FREE)
    inner = slice(1, -1), slice(1, -1)
    assert (
        np.abs(np.diff(field[inner].astype(int), axis=0)).sum() < np.abs(np.diff(free[inner].astype(int), axis=0)).sum()
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_that_hardly_differ_are_left_alone(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool, "threads", lambda: threads)
    y, u, v = texture(96, 128)
    other = y.copy()
    other[32:64, 32:64] = texture(96, 128, 9)[0][32:64, 32:64]
    found = MotionSearch()(other, ReferenceFrame((y, u, v)))
    still = np.ones((6, 8), np.bool_)
    still[2:4, 2:4] = False
    assert not found[:, still].any()
