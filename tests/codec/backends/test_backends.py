"""Every backend computes the same networks; none is imported before it is wanted."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.codec.untrained import untrained_weights as weights

from grace_codec.backends import BACKENDS, load_networks
from grace_codec.errors import BackendError, ModelError
from grace_codec.models.networks import LevelRows
from grace_codec.runtime import thread_pool

Array = np.ndarray[Any, Any]
CHANNELS = 4 * 56 + 2 * 22


def planes(seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (1, 1, 64, 96)).astype(np.uint8),
        rng.integers(0, 256, (1, 2, 32, 48)).astype(np.uint8),
    )


@pytest.mark.parametrize("name", BACKENDS)
def test_latents_agree_with_torch(name: str) -> None:
    expected = load_networks("torch", weights()).analyse(*planes(1), *planes(2))
    latents = load_networks(name, weights()).analyse(*planes(1), *planes(2))
    assert latents.shape == (1, CHANNELS, 4, 6)
    assert latents.dtype == np.float32
    error, power = np.square(latents - expected).mean(), np.square(expected).mean()
    assert error < 2.0**-16 * power  # bfloat16 has eight bits of mantissa


@pytest.mark.parametrize("name", BACKENDS)
def test_pictures_agree_with_torch(name: str) -> None:
    rng = np.random.default_rng(3)
    symbols = rng.integers(-2, 3, (1, CHANNELS, 4, 6)).astype(np.int16)
    lost = (rng.random((1, 4 * 6 + 1, 4, 6)) < 0.5).astype(np.uint8)
    step = np.full((1, CHANNELS, 1, 1), 3.0, np.float32)
    level = LevelRows(step, np.full_like(step, 0.1), np.ones((1, 64, 1, 1), np.float32))
    expected = load_networks("torch", weights()).synthesise(symbols, lost, level, *planes(4))
    out = load_networks(name, weights()).synthesise(symbols, lost, level, *planes(4))
    for got, want in zip(out, expected, strict=True):
        assert got.shape == want.shape
        assert got.dtype == np.uint8
        assert np.abs(got.astype(int) - want).max() <= 1  # a sum that ends on a half


@pytest.mark.parametrize("name", ["native", "openvino"])
def test_the_number_of_threads_changes_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    y, py = (rng.integers(0, 256, (1, 1, 368, 640)).astype(np.uint8) for _ in range(2))
    uv, puv = (rng.integers(0, 256, (1, 2, 184, 320)).astype(np.uint8) for _ in range(2))
    symbols = rng.integers(-2, 3, (1, CHANNELS, 23, 40)).astype(np.int16)
    lost = np.zeros((1, 4 * 6 + 1, 23, 40), np.uint8)
    step = np.full((1, CHANNELS, 1, 1), 3.0, np.float32)
    level = LevelRows(step, np.full_like(step, 0.1), np.ones((1, 64, 1, 1), np.float32))
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(thread_pool, "threads", lambda threads=threads: threads)
        networks = load_networks(name, weights())
        latents = networks.analyse(y, uv, py, puv).copy()
        results.append((latents, *networks.synthesise(symbols, lost, level, py, puv)))
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_parts_without_residual_change_no_bit_of_the_others() -> None:
    networks = load_networks("native", weights())
    rng = np.random.default_rng(6)
    symbols = np.zeros((1, CHANNELS, 12, 12), np.int16)
    symbols[:, :, 2:5, 3:6] = rng.integers(-2, 3, (1, CHANNELS, 3, 3))
    py = rng.integers(0, 256, (1, 1, 192, 192)).astype(np.uint8)
    puv = rng.integers(0, 256, (1, 2, 96, 96)).astype(np.uint8)
    step = np.full((1, CHANNELS, 1, 1), 3.0, np.float32)
    level = LevelRows(step, np.full_like(step, 0.1), np.ones((1, 64, 1, 1), np.float32))
    lost = np.zeros((1, 4 * 6 + 1, 12, 12), np.uint8)
    sparse = networks.synthesise(symbols, lost, level, py, puv)[0].copy()
    symbols[:, :, 10:, 10:] = 1
    dense = networks.synthesise(symbols, lost, level, py, puv)[0]
    assert np.array_equal(sparse[0, 0, :128, :128], dense[0, 0, :128, :128])
    assert np.array_equal(sparse[0, 0, 160:, :128], py[0, 0, 160:, :128])


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with pytest.raises(BackendError, match=r"'abacus'.*native, openvino, torch"):
        load_networks("abacus", {})


@pytest.mark.parametrize("name", BACKENDS)
def test_weights_of_another_model_are_refused(name: str) -> None:
    with pytest.raises(ModelError):
        load_networks(name, {"gain": np.ones((12, 64), np.float32)})


def test_importing_the_codec_imports_no_runtime() -> None:
    code = (
        "import grace_codec, grace_codec.profiles, sys;"
        "print([m for m in ('torch', 'openvino', 'lightning_fabric') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SIGNALLED = """
import gc, os, signal
from grace_codec.backends import load_networks
from tests.codec.untrained import untrained_weights
first, second = (load_networks("openvino", untrained_weights()) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.slow
def test_a_signal_is_survived_after_networks_came_and_went() -> None:
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
