"""The differentiable rate is the code length of a proper distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grace_codec.training.objective import bits, context_means, laplace_bits


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 7.0])
def test_probabilities_add_up_to_one_and_have_the_stated_mean(mean: float) -> None:
    k = torch.arange(-400, 401, dtype=torch.float64)
    p = torch.exp2(-laplace_bits(k, torch.tensor(mean, dtype=torch.float64)))
    assert float(p.sum()) == pytest.approx(1, abs=1e-3)
    assert float((p * k.abs()).sum()) == pytest.approx(mean, rel=0.01)


def test_larger_magnitudes_cost_more_with_a_gradient_that_says_so() -> None:
    z = torch.tensor([1.0, 2.0, 5.0], requires_grad=True)
    (slope,) = torch.autograd.grad(laplace_bits(z, torch.tensor(0.5)).sum(), z)
    assert (slope > 0).all()


def test_empty_channels_cost_next_to_nothing() -> None:
    assert float(bits(torch.zeros(1, 8, 20, 20))) < 8 * 400 * 0.002


def test_contexts_make_clustered_symbols_cheaper_than_scattered_ones() -> None:
    rng = np.random.default_rng(1)
    scattered = torch.from_numpy((rng.random((1, 8, 16, 16)) < 0.1).astype(np.float32))
    clustered = torch.zeros(1, 8, 16, 16)
    clustered[:, :, 4:9, 4:9] = 1
    density = clustered.mean() / scattered.mean()
    assert float(bits(clustered)) / float(bits(scattered)) < 0.8 * float(density)


def test_contexts_keep_each_channels_mean() -> None:
    z = torch.randint(-3, 4, (2, 5, 12, 12)).float()
    expected = z.abs().mean((2, 3))
    assert torch.allclose(context_means(z).mean((2, 3)), expected, rtol=1e-4)
