"""Every backend computes the same networks; none is imported before it is wanted."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from grace_codec.backends import BACKENDS, load_networks
from grace_codec.backends.api import LevelRows
from grace_codec.errors import BackendError, ModelError
from grace_codec.models.untrained import untrained_weights as weights

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


def test_the_number_of_threads_changes_no_bit() -> None:
    openvino = pytest.importorskip("grace_codec.backends.openvino")
    rng = np.random.default_rng(5)
    y, py = (rng.integers(0, 256, (1, 1, 368, 640)).astype(np.uint8) for _ in range(2))
    uv, puv = (rng.integers(0, 256, (1, 2, 184, 320)).astype(np.uint8) for _ in range(2))
    symbols = rng.integers(-2, 3, (1, CHANNELS, 23, 40)).astype(np.int16)
    lost = np.zeros((1, 4 * 6 + 1, 23, 40), np.uint8)
    step = np.full((1, CHANNELS, 1, 1), 3.0, np.float32)
    level = LevelRows(step, np.full_like(step, 0.1), np.ones((1, 64, 1, 1), np.float32))
    one, two = (openvino.OpenVinoNetworks(weights(), threads) for threads in (1, 2))
    assert np.array_equal(one.analyse(y, uv, py, puv), two.analyse(y, uv, py, puv))
    for a, b in zip(*(n.synthesise(symbols, lost, level, py, puv) for n in (one, two)), strict=True):
        assert np.array_equal(a, b)


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with pytest.raises(BackendError, match=r"'abacus'.*openvino, torch"):
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
from grace_codec.models.untrained import untrained_weights
first, second = (load_networks("openvino", untrained_weights()) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_survived_after_networks_came_and_went() -> None:
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
