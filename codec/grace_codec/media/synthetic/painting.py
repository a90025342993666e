"""Drawing in integers, so that every machine paints the same bytes: texture, shapes, sub-pixel placement, noise.

Positions are 1/256 px. Knows no scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from grace_codec.types import Plane, Planes

Canvas = npt.NDArray[np.int32]
TURN: Final = 1 << 16
OPAQUE: Final = 256


def sine(phase: int) -> int:
    """sin of phase / 65536 turns, in 1/32768 (a parabola with one correction; within 0.1 %)."""
    phase %= TURN
    half = phase % (TURN // 2)
    arch = (half * (TURN // 2 - half)) >> 13
    arch += (arch * arch // 32768 - arch) * 225 // 1000
    return arch if phase < TURN // 2 else -arch


def wander(at_us: int, reach: int, period_ms: int, seed: int) -> int:
    """A smooth path in -reach..reach that does not visibly repeat: three sines of incommensurate periods."""
    total = 0
    for share, stretch, turn in ((5, 1000, 7), (2, 433, 13), (1, 187, 29)):
        period_us = period_ms * stretch
        total += share * sine(at_us * TURN // period_us + seed * turn * 4093)
    return reach * total // (8 * 32768)


def texture(height: int, width: int, coarsest: int, finest: int, seed: int) -> Canvas:
    """1/f noise, about -128..128: octaves of smoothly interpolated lattices, each 5/8 as strong as the one before."""
    random = np.random.RandomState(seed)
    canvas = np.zeros((height, width), np.int32)
    cell, strength = max(coarsest, 2), 128
    while cell >= max(finest, 2):
        rows, columns = height // cell + 2, width // cell + 2
        lattice = np.frombuffer(random.bytes(rows * columns), np.uint8).reshape(rows, columns).astype(np.int32) - 128
        top, down = _smoothstep(height, cell)
        left, right = _smoothstep(width, cell)
        wide = (lattice[:, left] * (256 - right) + lattice[:, left + 1] * right) >> 8
        tall = (wide[top] * (256 - down[:, None]) + wide[top + 1] * down[:, None]) >> 8
        canvas += (tall * strength) >> 7
        cell, strength = cell // 2, strength * 5 // 8
    return canvas


def _smoothstep(length: int, cell: int) -> tuple[Canvas, Canvas]:
    position = np.arange(length, dtype=np.int32)
    fraction = (position % cell) * 256 // cell
    return position // cell, (fraction * fraction * (768 - 2 * fraction)) >> 16


@dataclass(frozen=True, slots=True)
class Layer:
    """A painted shape: y, alpha (h, w), u, v, chroma alpha (h/2, w/2); alpha 0..256."""

    y: Canvas
    u: Canvas
    v: Canvas
    alpha: Canvas
    chroma_alpha: Canvas


def coloured(y: Canvas, colour: tuple[int, int], alpha: Canvas) -> Layer:
    """A layer of one colour (u, v), a little varied by its own brightness as dyed and lit things are."""
    half = y[::2, ::2]
    tint = (half - 128) >> 5
    return Layer(y, colour[0] + tint, colour[1] - tint, alpha, alpha[::2, ::2])


def ellipse(rx: int, ry: int, soft: int = 2) -> tuple[Canvas, Canvas]:
    """(inside, alpha), each about (2ry+8, 2rx+8): 65536 at the centre and 0 on the rim; 0..256 with a soft edge."""
    x = np.arange(-rx - 4, rx + 4, dtype=np.int64)
    y = np.arange(-ry - 4, ry + 4, dtype=np.int64)
    inside = 65536 - x[None, :] ** 2 * 65536 // (rx * rx) - y[:, None] ** 2 * 65536 // (ry * ry)
    alpha = np.clip(inside * min(rx, ry) // (512 * soft) + 128, 0, OPAQUE)
    return inside.astype(np.int32), alpha.astype(np.int32)


def ball(
    radii: tuple[int, int], brightness: int, colour: tuple[int, int], *, grain: int, seed: int, soft: int = 2
) -> Layer:
    """An ellipse that is lit from the upper left and has a surface."""
    rx, ry = max(radii[0], 2), max(radii[1], 2)
    inside, alpha = ellipse(rx, ry, soft)
    height, width = inside.shape
    slope = np.arange(height, dtype=np.int32)[:, None] * 30 // height + np.arange(width, dtype=np.int32) * 26 // width
    surface = texture(height, width, max(height // 3, 8), 2, seed) * grain >> 7
    return coloured(brightness + (np.clip(inside, 0, 65536) >> 11) - slope + surface, colour, alpha)


def sampled(canvas: Canvas, x: int, y: int, height: int, width: int) -> Canvas:
    """(height, width) cut at (x, y), 1/256 px: Catmull-Rom, so that sub-pixel motion does not blur. Edges repeat."""
    rows = np.clip(np.arange(height + 3) + (y >> 8) - 1, 0, canvas.shape[0] - 1)
    columns = np.clip(np.arange(width + 3) + (x >> 8) - 1, 0, canvas.shape[1] - 1)
    cut = canvas[rows[:, None], columns[None, :]]
    wide = _weighted([cut[:, tap : tap + width] for tap in range(4)], x & 255)
    return _weighted([wide[tap : tap + height] for tap in range(4)], y & 255)


def _weighted(taps: list[Canvas], fraction: int) -> Canvas:
    if fraction == 0:
        return taps[1]
    total = np.zeros_like(taps[0])
    for tap, weight in zip(taps, _cubic(fraction), strict=True):
        total += tap * np.int32(weight)
    return total >> 8


def _cubic(f: int) -> tuple[int, int, int, int]:
    before = (-f * 65536 + 2 * f * f * 256 - f * f * f) >> 17
    after = (f * f * f - f * f * 256) >> 17
    second = (f * 65536 + 4 * f * f * 256 - 3 * f * f * f) >> 17
    return before, 256 - before - after - second, second, after


class Painting:
    """The picture being drawn, (H, W) and twice (H/2, W/2)."""

    def __init__(self, height: int, width: int) -> None:
        self.y = np.zeros((height, width), np.int32)
        self.u = np.full((height // 2, width // 2), 128, np.int32)
        self.v = self.u.copy()

    def put(self, shape: Layer, x: int, y: int) -> None:
        """Draw a layer with its upper left corner at (x, y), 1/256 px."""
        _blend(self.y, shape.y, shape.alpha, x, y)
        _blend(self.u, shape.u, shape.chroma_alpha, x // 2, y // 2)
        _blend(self.v, shape.v, shape.chroma_alpha, x // 2, y // 2)

    def finished(self, noise: int, seed: int) -> Planes:
        """The picture as bytes, with the noise of a sensor: `noise` fair coins per pixel, variance noise / 4."""
        random = np.random.RandomState(seed % (1 << 32))
        grain = _COINS[np.frombuffer(random.bytes(self.y.size), np.uint8) & ((1 << noise) - 1)] - noise // 2
        noisy = self.y + grain.reshape(self.y.shape)
        return _bytes(noisy), _bytes(self.u), _bytes(self.v)


_COINS: Final = np.array([value.bit_count() for value in range(256)], np.int32)


def _bytes(plane: Canvas) -> Plane:
    return np.clip(plane, 0, 255).astype(np.uint8)


def _blend(target: Canvas, colour: Canvas, alpha: Canvas, x: int, y: int) -> None:
    left, top = x >> 8, y >> 8
    first_x, first_y = max(left, 0), max(top, 0)
    last_x = min(left + colour.shape[1] + 1, target.shape[1])
    last_y = min(top + colour.shape[0] + 1, target.shape[0])
    if first_x >= last_x or first_y >= last_y:
        return
    cut = (first_x << 8) - x, (first_y << 8) - y, last_y - first_y, last_x - first_x
    part = target[first_y:last_y, first_x:last_x]
    share = np.clip(sampled(alpha, *cut), 0, OPAQUE)
    part += ((sampled(colour, *cut) - part) * share) >> 8
