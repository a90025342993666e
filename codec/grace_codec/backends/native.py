"""grace-lite's networks in C: Winograd convolutions, and no work where the residual is zero.

Both ends of a call that use this backend show the same frame bit for bit: every sum has one order, and neither threads
nor which parts are zero change a result. Maps are (rows, columns, channels) at 1/8 of the frame's size, 1/16 for the
latents (see `native/networks.c`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from grace_codec.errors import ModelError
from grace_codec.models import kernels, pixels
from grace_codec.models import transform as tf
from grace_codec.models.kernels import PACKED, Patterns
from grace_codec.models.networks import Bytes, Floats, LevelRows, Symbols
from grace_codec.native import call
from grace_codec.runtime.thread_pool import in_parts

PANEL = 16  # outputs of a 1x1 convolution are padded to a multiple
TILE = 4  # positions a side that a Winograd tile yields
TILES = 24  # as in networks.c
RELU = 1


class _Gated(NamedTuple):
    """The entry of a branch: 1x1 weights and the prediction's gate."""

    enter: Floats
    gate_a: Floats
    bias_a: Floats
    gate_b: Floats
    bias_b: Floats


class _Block(NamedTuple):
    """A residual block: two 3x3 convolutions in Winograd's form."""

    a: Floats
    b: Floats


class NativeNetworks:
    """The two networks of one profile. Not thread-safe: scratch memory is kept between frames."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """Raises ModelError where a tensor is missing or of another shape, BackendError without the library."""
        self._weights = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        self._width = int(self._tensor("gain").shape[1])
        self._deep = int(self._tensor("analysis.down.weight").shape[0])
        self._analysis_in = self._gated("analysis")
        self._near, self._far = self._block("analysis.near"), self._block("analysis.far")
        down = self._tensor("analysis.down.weight").transpose(0, 2, 3, 1).reshape(self._deep, -1)
        self._down = _packed(down)
        self._leave_latents = _packed(self._matrix("analysis.leave"))
        self._luma_forward = _packed(self._matrix("analysis.luma"))
        chroma = self._matrix("analysis.chroma")
        self._u_forward, self._v_forward = _packed(chroma[: len(chroma) // 2]), _packed(chroma[len(chroma) // 2 :])
        self._synthesis_in = self._gated("synthesis")
        names = sorted({name.split(".")[2] for name in weights if name.startswith("synthesis.body.")}, key=int)
        self._body = [self._block(f"synthesis.body.{name}") for name in names]
        self._lost = _packed(np.pad(self._matrix("synthesis.lost"), ((0, 0), (0, -(tf.LOST_FREQUENCIES + 1) % 8))))
        self._leave_pixels = _packed(self._matrix("synthesis.leave") * np.float32(tf.RANGE))
        luma, chroma = self._matrix("synthesis.luma"), self._matrix("synthesis.chroma")
        columns = luma, chroma[:64], chroma[64:]
        self._patterns = Patterns(*(np.ascontiguousarray(part.T) for part in columns))
        del self._weights
        self._memory = _Memory()

    def analyse(self, y: Bytes, uv: Bytes, py: Bytes, puv: Bytes) -> Floats:
        """As models.networks.Networks."""
        rows, columns = y.shape[2] // 8, y.shape[3] // 8
        height, width = rows // 2, columns // 2
        prediction = self._packed(py, puv, "prediction")
        residual = self._packed(y, uv, "residual")
        line = PACKED * columns

        def subtract(first: int, last: int) -> None:
            call("subtract", residual, prediction, first * line, (last - first) * line, residual)

        in_parts(subtract, rows)
        near = _Maps(self._memory, rows, columns, self._width)
        gated = near.new("gated")
        _enter(residual, prediction, self._analysis_in, None, gated)
        hidden = near.block(gated, self._near)
        deep = _Maps(self._memory, height, width, self._deep)
        small = deep.new("gated")

        def down(first: int, last: int) -> None:
            line = self._memory.array(f"line{first}", (9 * self._width * width,))
            call(
                "conv3_down", hidden, self._width, self._down, self._deep, rows, columns, first, last, small, line
            )  # fmt: skip

        in_parts(down, height)
        branch = self._pointwise("branch", deep.block(small, self._far), self._leave_latents)
        luma = self._pointwise("luma", residual, self._luma_forward, depth=64)
        blocks = self._memory.array("blocks", (height, width, 128))

        def chroma(first: int, last: int) -> None:
            call("chroma_blocks", residual, width, first, last, blocks)

        in_parts(chroma, height)
        u = self._pointwise("u", blocks, self._u_forward, depth=64)
        v = self._pointwise("v", blocks, self._v_forward, depth=64, skip=64)
        scale = pixels.local_scale(py[0, 0])
        out = np.empty((1, tf.CHANNELS, height, width), np.float32)

        def finish(first: int, last: int) -> None:
            call(
                "latents", luma, tf.LUMA_FREQUENCIES, luma.shape[2], u, v, tf.CHROMA_FREQUENCIES, u.shape[2], branch,
                branch.shape[2], float(tf.RANGE), scale, height, width, first, last, out,
            )  # fmt: skip

        in_parts(finish, height)
        return out

    def synthesise(self, symbols: Symbols, lost: Bytes, level: LevelRows, py: Bytes, puv: Bytes) -> tuple[Bytes, Bytes]:
        """As models.networks.Networks."""
        rows, columns = py.shape[2] // 8, py.shape[3] // 8
        height = rows // 2
        prediction = self._packed(py, puv, "prediction")
        scale = pixels.local_scale(py[0, 0])
        step, shrink, gain = (np.ascontiguousarray(row.reshape(-1), np.float32) for row in level)
        values = np.ascontiguousarray(symbols[0])
        residual = self._memory.array("residual", (rows, columns, PACKED))

        def inverse(first: int, last: int) -> None:
            kernels.inverse(values, step, shrink, scale, self._patterns, first, last, residual)

        in_parts(inverse, height)
        maps = _Maps(self._memory, rows, columns, self._width)
        hidden = maps.new("gated")
        _enter(residual, prediction, self._synthesis_in, gain, hidden)
        hidden = maps.block(hidden, self._body[0], self._by_lost(lost[0], rows, columns))
        for block in self._body[1:]:
            hidden = maps.block(hidden, block)
        return _unpack(self._pointwise("change", hidden, self._leave_pixels), residual, prediction)

    def _by_lost(self, lost: Bytes, rows: int, columns: int) -> Floats | None:
        """What features are multiplied by where elements were lost, (rows, columns, width); None where none was."""
        if not lost.any():
            return None
        residual, motion = lost[:-1].astype(np.float32), lost[-1].astype(np.float32)
        flags = np.zeros((rows, columns, self._lost.shape[1]), np.float32)
        fine = residual.reshape(tf.LOST_FREQUENCIES, 2, 2, rows // 2, columns // 2).transpose(3, 1, 4, 2, 0)
        flags[:, :, : tf.LOST_FREQUENCIES] = fine.reshape(rows, columns, -1)
        flags[:, :, tf.LOST_FREQUENCIES] = motion.repeat(2, 0).repeat(2, 1)
        out = self._pointwise("lost", flags, self._lost)
        return np.add(out, np.float32(1), out=out)

    def _packed(self, y: Bytes, uv: Bytes, name: str) -> Floats:
        rows, columns = y.shape[2] // 8, y.shape[3] // 8
        planes = np.ascontiguousarray(y[0, 0]), np.ascontiguousarray(uv[0, 0]), np.ascontiguousarray(uv[0, 1])
        out = self._memory.array(name, (rows, columns, PACKED))
        in_parts(lambda first, last: kernels.pack(planes, first, last, out), rows)
        return out

    def _pointwise(self, name: str, x: Floats, weights: Floats, depth: int | None = None, skip: int = 0) -> Floats:
        """A 1x1 convolution of `depth` channels after the first `skip`; the outputs are padded to whole panels."""
        rows, columns, channels = x.shape
        padded = PANEL * len(weights)
        out = self._memory.array(name, (rows, columns, padded))
        source = x.reshape(-1)[skip:]

        def some_rows(first: int, last: int) -> None:
            call("pointwise", source, channels, depth or channels, weights, padded, columns, first, last, out)

        in_parts(some_rows, rows)
        return out

    def _tensor(self, name: str) -> Floats:
        if name not in self._weights:
            raise ModelError(f"weights have no tensor {name!r}; they belong to another model")
        return self._weights[name]

    def _matrix(self, name: str) -> Floats:
        """The weights of a 1x1 convolution, (outputs, inputs)."""
        return self._tensor(f"{name}.weight")[:, :, 0, 0]

    def _gated(self, branch: str) -> _Gated:
        """2 · hardsigmoid(x) = clamp(x / 3 + 1, 0, 2); constant factors are folded into weights."""
        a, b = self._matrix(f"{branch}.gate.a"), self._matrix(f"{branch}.gate.b")
        bias_a = self._tensor(f"{branch}.gate.a.bias") - a.sum(1)
        bias_b = self._tensor(f"{branch}.gate.b.bias") / np.float32(3) + np.float32(1)
        enter = self._matrix(f"{branch}.enter") / np.float32(tf.RANGE)
        return _Gated(
            _packed(enter), _packed(a / np.float32(128)), np.ascontiguousarray(bias_a),
            _packed(b / np.float32(3)), np.ascontiguousarray(bias_b),
        )  # fmt: skip

    def _block(self, name: str) -> _Block:
        return _Block(_winograd(self._tensor(f"{name}.a.weight")), _winograd(self._tensor(f"{name}.b.weight")))


class _Memory:
    """Arrays by name that are used again in the next frame: fresh memory costs as much as the arithmetic."""

    def __init__(self) -> None:
        self._arrays: dict[str, Floats] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> Floats:
        """(shape), its contents undefined."""
        size = math.prod(shape)
        if name not in self._arrays or self._arrays[name].size < size:
            self._arrays[name] = np.empty(size, np.float32)
        return self._arrays[name][:size].reshape(shape)


class _Maps:
    """Feature maps of one shape: three of them take turns."""

    def __init__(self, memory: _Memory, rows: int, columns: int, width: int) -> None:
        self._memory, self._shape = memory, (rows, columns, width)
        self._turn = 0

    def new(self, name: str) -> Floats:
        return self._memory.array(f"{name}{self._shape[2]}", self._shape)

    def block(self, x: Floats, weights: _Block, factor: Floats | None = None) -> Floats:
        """(x + b(relu(a(x)))) · factor"""
        inside = self._conv(x, weights.a, RELU, None, None, "inside")
        self._turn = 1 - self._turn
        return self._conv(inside, weights.b, 0, x, factor, f"out{self._turn}")

    def _conv(
        self, x: Floats, weights: Floats, relu: int, add: Floats | None, factor: Floats | None, name: str
    ) -> Floats:
        rows, columns, width = self._shape
        out = self.new(name)

        def tiles(first: int, last: int) -> None:
            scratch = self._memory.array(f"scratch{first}", (36 * TILES * 2 * width,))
            call(
                "conv3", x, width, weights, width, rows, columns, first, last, relu, add, factor, out, scratch
            )  # fmt: skip

        in_parts(tiles, -(-rows // TILE))
        return out


def _packed(matrix: Floats) -> Floats:
    """(outputs, inputs) to panels (outputs / 16, inputs, 16), outputs padded with zeros."""
    padded = np.pad(matrix, ((0, -len(matrix) % PANEL), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, PANEL, matrix.shape[1]).transpose(0, 2, 1), np.float32)


def _winograd(kernel: Floats) -> Floats:
    outputs, inputs = kernel.shape[:2]
    if outputs % PANEL or inputs % PANEL:
        raise ModelError(f"a 3x3 convolution of {inputs} to {outputs} features; both must be multiples of {PANEL}")
    out = np.empty(36 * inputs * outputs, np.float32)
    call("winograd_weights", np.ascontiguousarray(kernel), inputs, outputs, out)
    return out


def _unpack(change: Floats, residual: Floats, prediction: Floats) -> tuple[Bytes, Bytes]:
    rows, columns, _ = change.shape
    y = np.empty((1, 1, 8 * rows, 8 * columns), np.uint8)
    uv = np.empty((1, 2, 4 * rows, 4 * columns), np.uint8)
    planes = y[0, 0], uv[0, 0], uv[0, 1]
    in_parts(lambda first, last: kernels.unpack((change, residual, prediction), first, last, planes), rows)
    return y, uv


def _enter(residual: Floats, prediction: Floats, weights: _Gated, gain: Floats | None, out: Floats) -> None:
    rows, columns, width = out.shape

    def some_rows(first: int, last: int) -> None:
        call("enter", residual, prediction, *weights, gain, width, columns, first, last, out)

    in_parts(some_rows, rows)


def load(weights: Mapping[str, Floats]) -> NativeNetworks:
    """Prepare both networks. Raises ModelError where a tensor is missing, BackendError where there is no library."""
    return NativeNetworks(weights)
