"""grace-lite's networks in OpenVINO, built op by op from the weights: no torch, no exported file, any frame size.

Planes are cut into 8x8 px positions while they are bytes, and put together again as bytes; in between everything is at
1/8 resolution with channels last in memory. Constant factors are folded into weights. Synthesis runs in 32-bit floats:
both ends of a call must show the same pixels. Analysis decides for the sender alone and runs in bfloat16 where the CPU
has it (0.1 % of rate); the scale, where it would lose the low bits, is computed apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

import numpy as np
import openvino as ov
from openvino import opset13 as op

from grace_codec.errors import ModelError
from grace_codec.models import pixels
from grace_codec.models import transform as tf
from grace_codec.models.networks import Bytes, Floats, LevelRows, Symbols
from grace_codec.models.transform import RANGE
from grace_codec.runtime import thread_pool

Node: TypeAlias = "ov.Node | ov.Output"

PACKED = 96  # channels of a frame at 1/8 resolution: 64 of luma, 16 of U, 16 of V


class _Builder:
    """Layers by weight name."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._weights = weights

    def tensor(self, name: str) -> Floats:
        if name not in self._weights:
            raise ModelError(f"weights have no tensor {name!r}; they belong to another model")
        return np.asarray(self._weights[name], np.float32)

    def conv(self, x: Node, name: str, stride: int = 1, factor: float = 1.0, bias: Floats | None = None) -> Node:
        """factor: of the result, but for the bias, (outputs,)."""
        return _convolution(x, self.tensor(f"{name}.weight") * np.float32(factor), stride, bias)

    def on_luma(self, x: Node, name: str) -> Node:
        """A 1x1 convolution of the luma channels of a packed frame."""
        kernel = self.tensor(f"{name}.weight")
        return _convolution(x, np.pad(kernel, ((0, 0), (0, PACKED - kernel.shape[1]), (0, 0), (0, 0))))

    def grouped(self, x: Node, name: str, order: list[int] | None = None) -> Node:
        """order: of the outputs of each of the two groups."""
        kernel = self.tensor(f"{name}.weight")
        split = kernel.reshape(2, kernel.shape[0] // 2, *kernel.shape[1:])
        kernels = split if order is None else np.ascontiguousarray(split[:, order])
        return op.group_convolution(x, op.constant(kernels), [1, 1], [0, 0], [0, 0], [1, 1])

    def block(self, x: Node, name: str) -> Node:
        return op.add(x, self.conv(op.relu(self.conv(x, f"{name}.a")), f"{name}.b"))

    def gate(self, packed: Node, name: str) -> Node:
        """2 · hardsigmoid(b(relu(a(packed / 128 − 1)))), with 2 · hardsigmoid(x) = clamp(x / 3 + 1, 0, 2)"""
        shift = self.tensor(f"{name}.a.bias") - self.tensor(f"{name}.a.weight").sum((1, 2, 3))
        x = op.relu(self.conv(packed, f"{name}.a", factor=1 / 128, bias=shift))
        bias = self.tensor(f"{name}.b.bias") / np.float32(3) + np.float32(1)
        return op.clamp(self.conv(x, f"{name}.b", factor=1 / 3, bias=bias), 0.0, 2.0)


def _convolution(x: Node, kernel: Floats, stride: int = 1, bias: Floats | None = None) -> Node:
    pad = [kernel.shape[2] // 2] * 2
    out = op.convolution(x, op.constant(np.asarray(kernel, np.float32)), [stride, stride], pad, pad, [1, 1])
    return out if bias is None else op.add(out, op.constant(np.asarray(bias, np.float32)[None, :, None, None]))


def _unshuffle(x: Node, size: int) -> Node:
    return op.space_to_depth(x, "depth_first", size)


def _shuffle(x: Node, size: int) -> Node:
    return op.depth_to_space(x, "depth_first", size)


def _floats(x: Node) -> Node:
    return op.convert(x, "f32")


def _packed(y: Node, uv: Node) -> Node:
    """Planes of bytes to (1, PACKED, H/8, W/8) floats."""
    return _floats(op.concat([_unshuffle(y, 8), _unshuffle(uv, 4)], 1))


def _split(x: Node, at: int, total: int) -> tuple[Node, Node]:
    parts = op.variadic_split(x, 1, np.array([at, total - at], np.int64))
    return parts.output(0), parts.output(1)


def _local_scale(py: Node) -> Node:
    """As lite_net.local_scale."""
    positions = _floats(_unshuffle(py, 8))
    axis = np.array([1], np.int64)
    mean, power = (op.reduce_mean(x, axis, True) for x in (positions, op.multiply(positions, positions)))
    variance = op.relu(op.subtract(power, op.multiply(mean, mean)))
    logs = op.log(op.add(variance, np.float32(tf.SCALE_FLOOR)))
    logs = op.avg_pool(logs, [2, 2], [0, 0], [0, 0], [2, 2], True)
    logs = op.subtract(logs, np.float32(np.log(tf.SCALE_UNIT)))
    return op.clamp(op.exp(op.multiply(logs, np.float32(tf.SCALE_POWER))), tf.SCALE_MIN, tf.SCALE_MAX)


MAX_POSITIONS = 128  # 16x16 blocks along either side: 2048 px


def _bounded(channels: int, unit: int) -> ov.PartialShape:
    """Any height and width up to the largest frame; the CPU plugin wants a bound."""
    side = ov.Dimension(unit, unit * MAX_POSITIONS)
    return ov.PartialShape([ov.Dimension(1), ov.Dimension(channels), side, side])


def _planes(name: str, channels: int) -> Node:
    return op.parameter(_bounded(channels, 16 // channels), np.uint8, name=name)


def analysis_model(weights: Mapping[str, Floats]) -> ov.Model:
    """Latents times the local scale."""
    b = _Builder(weights)
    y, uv, py, puv = _planes("y", 1), _planes("uv", 2), _planes("py", 1), _planes("puv", 2)
    prediction = _packed(py, puv)
    residual = op.subtract(_packed(y, uv), prediction)
    chroma = op.subtract(_floats(_unshuffle(uv, 8)), _floats(_unshuffle(puv, 8)))
    luma = _unshuffle(b.on_luma(residual, "analysis.luma"), 2)
    linear = op.concat([luma, b.grouped(chroma, "analysis.chroma")], 1)
    hidden = b.conv(residual, "analysis.enter", factor=1 / RANGE)
    hidden = b.block(op.multiply(hidden, b.gate(prediction, "analysis.gate")), "analysis.near")
    hidden = b.block(b.conv(hidden, "analysis.down", 2), "analysis.far")
    latents = op.add(linear, b.conv(hidden, "analysis.leave", factor=RANGE))
    return ov.Model([latents], [y, uv, py, puv], "analysis")


def synthesis_model(weights: Mapping[str, Floats]) -> ov.Model:
    b = _Builder(weights)
    lost = op.parameter(_bounded(tf.LOST_FLAGS, 1), np.uint8, name="lost")
    symbols = op.parameter(_bounded(tf.CHANNELS, 1), np.int16, name="symbols")
    width = b.tensor("gain").shape[1]
    step = op.parameter([1, tf.CHANNELS, 1, 1], np.float32, name="step")
    shrink = op.parameter([1, tf.CHANNELS, 1, 1], np.float32, name="shrink")
    gain = op.parameter([1, width, 1, 1], np.float32, name="gain")
    py, puv = _planes("py", 1), _planes("puv", 2)
    prediction = _packed(py, puv)
    residual = _linear_synthesis(b, _dequantized(symbols, step, shrink), _local_scale(py))
    hidden = b.conv(residual, "synthesis.enter", factor=1 / RANGE)
    hidden = op.multiply(op.multiply(hidden, b.gate(prediction, "synthesis.gate")), gain)
    hidden = b.block(hidden, "synthesis.body.0")
    by_lost = b.conv(_lost_at_eighth(_floats(lost)), "synthesis.lost")
    hidden = op.multiply(hidden, op.add(by_lost, np.float32(1)))
    blocks = sum(name.endswith(".a.weight") and name.startswith("synthesis.body") for name in weights)
    for i in range(1, blocks):
        hidden = b.block(hidden, f"synthesis.body.{i}")
    out = op.add(op.add(b.conv(hidden, "synthesis.leave", factor=RANGE), residual), prediction)
    rounded = op.convert(op.clamp(op.round(out, "half_to_even"), 0.0, 255.0), "u8")
    luma, chroma = _split(rounded, 64, PACKED)
    return ov.Model([_shuffle(luma, 8), _shuffle(chroma, 4)], [symbols, lost, step, shrink, gain, py, puv], "synthesis")


def _dequantized(symbols: Node, step: Node, shrink: Node) -> Node:
    """(z − sign(z) · shrink) · step"""
    z = _floats(symbols)
    return op.multiply(op.subtract(z, op.multiply(op.clamp(z, -1.0, 1.0), shrink)), step)


def _linear_synthesis(b: _Builder, coefficients: Node, scale: Node) -> Node:
    """The inverse transform, as a packed frame."""
    luma, chroma = _split(op.multiply(coefficients, scale), 4 * tf.LUMA_FREQUENCIES, tf.CHANNELS)
    # a chroma block's pixel (i, j) belongs to position (i // 4, j // 4) of 2x2 and is its pixel (i % 4, j % 4)
    order = [8 * (4 * y + i) + 4 * x + j for i in range(4) for j in range(4) for y in range(2) for x in range(2)]
    uv = _shuffle(b.grouped(chroma, "synthesis.chroma", order), 2)
    return op.concat([b.conv(_shuffle(luma, 2), "synthesis.luma"), uv], 1)


def _lost_at_eighth(lost: Node) -> Node:
    residual, motion = _split(lost, tf.LOST_FLAGS - 1, tf.LOST_FLAGS)
    doubled = op.depth_to_space(op.concat([motion] * 4, 1), "depth_first", 2)
    return op.concat([_shuffle(residual, 2), doubled], 1)


@cache
def _core() -> ov.Core:
    """One for the process, and never given up: its CPU plugin puts a signal stack under the thread that loads it, and
    takes it away when it goes. Of two cores that go in the order in which they came, the first one's stack is put back
    unmapped, and the next signal, Ctrl-C for one, is a segmentation fault (seen with OpenVINO 2026.4)."""
    return ov.Core()


class OpenVinoNetworks:
    def __init__(self, weights: Mapping[str, Floats], threads: int) -> None:
        core = _core()
        short = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")

        def compiled(model: ov.Model, precision: str) -> ov.InferRequest:
            options: dict[str, object] = {
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
            }
            return core.compile_model(model, "CPU", options).create_infer_request()

        self._analysis = compiled(analysis_model(weights), "bf16" if short else "f32")
        self._synthesis = compiled(synthesis_model(weights), "f32")

    def analyse(self, y: Bytes, uv: Bytes, py: Bytes, puv: Bytes) -> Floats:
        latents = self._analysis.infer([y, uv, py, puv], share_inputs=True)[0]
        return np.asarray(latents * (1 / pixels.local_scale(py[0, 0])), np.float32)

    def synthesise(self, symbols: Symbols, lost: Bytes, level: LevelRows, py: Bytes, puv: Bytes) -> tuple[Bytes, Bytes]:
        out = self._synthesis.infer([symbols, lost, *level, py, puv], share_inputs=True)
        return np.array(out[0]), np.array(out[1])


def load(weights: Mapping[str, Floats]) -> OpenVinoNetworks:
    """Compile both networks for the CPU. Raises ModelError where a tensor is missing."""
    return OpenVinoNetworks(weights, thread_pool.threads())
