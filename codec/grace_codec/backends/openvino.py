"""grace-lite's networks in OpenVINO, built op by op from the weights: no torch, no exported file, any picture size.

Runs in 32-bit floats: half precision loses the low bits of the transform.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as op

from grace_codec.backends.api import Bytes, Floats, LevelRows, Symbols
from grace_codec.errors import ModelError
from grace_codec.models import transform as tf
from grace_codec.models.transform import RANGE

Node = Any


class _Builder:
    """Layers by weight name."""

    def __init__(self, weights: Mapping[str, object]) -> None:
        self._weights = weights

    def tensor(self, name: str) -> Floats:
        if name not in self._weights:
            raise ModelError(f"weights have no tensor {name!r}; they belong to another model")
        return np.asarray(self._weights[name], np.float32)

    def conv(self, x: Node, name: str, stride: int = 1) -> Node:
        kernel = self.tensor(f"{name}.weight")
        pad = [kernel.shape[2] // 2] * 2
        out = op.convolution(x, op.constant(kernel), [stride, stride], pad, pad, [1, 1])
        bias = f"{name}.bias"
        return op.add(out, op.constant(self.tensor(bias)[None, :, None, None])) if bias in self._weights else out

    def grouped(self, x: Node, name: str) -> Node:
        kernel = self.tensor(f"{name}.weight")
        split = kernel.reshape(2, kernel.shape[0] // 2, *kernel.shape[1:])
        return op.group_convolution(x, op.constant(split), [1, 1], [0, 0], [0, 0], [1, 1])

    def block(self, x: Node, name: str) -> Node:
        return op.add(x, self.conv(op.relu(self.conv(x, f"{name}.a")), f"{name}.b"))

    def gate(self, packed: Node, name: str) -> Node:
        x = op.subtract(op.multiply(packed, np.float32(1 / 128)), np.float32(1))
        x = self.conv(op.relu(self.conv(x, f"{name}.a")), f"{name}.b")
        return op.multiply(
            op.clamp(op.add(op.multiply(x, np.float32(1 / 6)), np.float32(0.5)), 0.0, 1.0), np.float32(2)
        )


def _unshuffle(x: Node, size: int) -> Node:
    return op.space_to_depth(x, "depth_first", size)


def _shuffle(x: Node, size: int) -> Node:
    return op.depth_to_space(x, "depth_first", size)


def _pack(y: Node, uv: Node) -> Node:
    return op.concat([_unshuffle(y, 8), _unshuffle(uv, 4)], 1)


def _split(x: Node, at: int, total: int) -> tuple[Node, Node]:
    parts = op.variadic_split(x, 1, np.array([at, total - at], np.int64))
    return parts.output(0), parts.output(1)


def _pool(x: Node, size: int) -> Node:
    return op.avg_pool(x, [size, size], [0, 0], [0, 0], [size, size], True)


def _local_scale(luma: Node) -> Node:
    mean = _pool(luma, 8)
    variance = op.relu(op.subtract(_pool(op.multiply(luma, luma), 8), op.multiply(mean, mean)))
    logs = _pool(op.log(op.add(variance, np.float32(tf.SCALE_FLOOR))), 2)
    logs = op.subtract(logs, np.float32(np.log(tf.SCALE_UNIT)))
    return op.clamp(op.exp(op.multiply(logs, np.float32(tf.SCALE_POWER))), tf.SCALE_MIN, tf.SCALE_MAX)


MAX_POSITIONS = 128  # 16x16 blocks along either side: 2048 px


def _bounded(channels: int, unit: int) -> ov.PartialShape:
    """Any height and width up to the largest picture; the CPU plugin wants a bound."""
    side = ov.Dimension(unit, unit * MAX_POSITIONS)
    return ov.PartialShape([ov.Dimension(1), ov.Dimension(channels), side, side])


def _planes(name: str, channels: int) -> tuple[Node, Node]:
    parameter = op.parameter(_bounded(channels, 16 // channels), np.uint8, name=name)
    return parameter, op.convert(parameter, "f32")


def analysis_model(weights: Mapping[str, object]) -> ov.Model:
    b = _Builder(weights)
    (y_in, y), (uv_in, uv) = _planes("y", 1), _planes("uv", 2)
    (py_in, py), (puv_in, puv) = _planes("py", 1), _planes("puv", 2)
    ry, ruv = op.subtract(y, py), op.subtract(uv, puv)
    luma = _unshuffle(b.conv(_unshuffle(ry, 8), "analysis.luma"), 2)
    linear = op.concat([luma, b.grouped(_unshuffle(ruv, 8), "analysis.chroma")], 1)
    hidden = b.conv(op.multiply(_pack(ry, ruv), np.float32(1 / RANGE)), "analysis.enter")
    hidden = b.block(op.multiply(hidden, b.gate(_pack(py, puv), "analysis.gate")), "analysis.near")
    hidden = b.block(b.conv(hidden, "analysis.down", 2), "analysis.far")
    branch = op.multiply(b.conv(hidden, "analysis.leave"), np.float32(RANGE))
    latents = op.divide(op.add(linear, branch), _local_scale(py))
    return ov.Model([latents], [y_in, uv_in, py_in, puv_in], "analysis")


def synthesis_model(weights: Mapping[str, object]) -> ov.Model:
    b = _Builder(weights)
    lost = op.parameter(_bounded(tf.LOST_FLAGS, 1), np.uint8, name="lost")
    z_in = op.parameter(_bounded(tf.CHANNELS, 1), np.int16, name="symbols")
    width = b.tensor("gain").shape[1]
    step = op.parameter([1, tf.CHANNELS, 1, 1], np.float32, name="step")
    shrink = op.parameter([1, tf.CHANNELS, 1, 1], np.float32, name="shrink")
    gain = op.parameter([1, width, 1, 1], np.float32, name="gain")
    (py_in, py), (puv_in, puv) = _planes("py", 1), _planes("puv", 2)
    z = op.convert(z_in, "f32")
    coefficients = op.multiply(op.multiply(op.sign(z), op.relu(op.subtract(op.abs(z), shrink))), step)
    scaled = op.multiply(coefficients, _local_scale(py))
    luma, chroma = _split(scaled, 4 * tf.LUMA_FREQUENCIES, tf.CHANNELS)
    ly = _shuffle(b.conv(_shuffle(luma, 2), "synthesis.luma"), 8)
    luv = _shuffle(b.grouped(chroma, "synthesis.chroma"), 8)
    hidden = b.conv(op.multiply(_pack(ly, luv), np.float32(1 / RANGE)), "synthesis.enter")
    hidden = op.multiply(op.multiply(hidden, b.gate(_pack(py, puv), "synthesis.gate")), gain)
    hidden = b.block(hidden, "synthesis.body.0")
    by_lost = b.conv(_lost_at_eighth(op.convert(lost, "f32")), "synthesis.lost")
    hidden = op.multiply(hidden, op.add(by_lost, np.float32(1)))
    blocks = sum(name.endswith(".a.weight") and name.startswith("synthesis.body") for name in weights)
    for i in range(1, blocks):
        hidden = b.block(hidden, f"synthesis.body.{i}")
    dy, duv = _split(op.multiply(b.conv(hidden, "synthesis.leave"), np.float32(RANGE)), 64, 96)
    out = [op.add(op.add(py, ly), _shuffle(dy, 8)), op.add(op.add(puv, luv), _shuffle(duv, 4))]
    rounded = [op.convert(op.clamp(op.round(x, "half_to_even"), 0.0, 255.0), "u8") for x in out]
    return ov.Model(rounded, [z_in, lost, step, shrink, gain, py_in, puv_in], "synthesis")


def _lost_at_eighth(lost: Node) -> Node:
    residual, motion = _split(lost, tf.LOST_FLAGS - 1, tf.LOST_FLAGS)
    doubled = op.depth_to_space(op.concat([motion] * 4, 1), "depth_first", 2)
    return op.concat([_shuffle(residual, 2), doubled], 1)


class OpenVinoNetworks:
    def __init__(self, weights: Mapping[str, object], threads: int) -> None:
        core = ov.Core()
        options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._analysis = core.compile_model(analysis_model(weights), "CPU", options).create_infer_request()
        self._synthesis = core.compile_model(synthesis_model(weights), "CPU", options).create_infer_request()

    def analyse(self, y: Bytes, uv: Bytes, py: Bytes, puv: Bytes) -> Floats:
        return np.array(self._analysis.infer([y, uv, py, puv], share_inputs=True)[0])

    def synthesise(self, symbols: Symbols, lost: Bytes, level: LevelRows, py: Bytes, puv: Bytes) -> tuple[Bytes, Bytes]:
        out = self._synthesis.infer([symbols, lost, *level, py, puv], share_inputs=True)
        return np.array(out[0]), np.array(out[1])


def load(weights: Mapping[str, object], threads: int = 2) -> OpenVinoNetworks:
    """Compile both networks for the CPU. Raises ModelError where a tensor is missing."""
    return OpenVinoNetworks(weights, threads)
