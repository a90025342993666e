"""Simulated loss has the rates the paper states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grace_codec.training.coding import residual_mask
from grace_codec.training.stages import NO_LOSS, PAPER_LOSS


def test_four_frames_in_five_lose_nothing_and_the_rest_10_to_60_percent_alike() -> None:
    rates = PAPER_LOSS.draw(20_000, np.random.default_rng(1))
    values, counts = np.unique(rates, return_counts=True)
    assert values.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert counts[0] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert counts[1:] / 20_000 == pytest.approx(np.full(6, 0.2 / 6), abs=0.005)


def test_pretraining_loses_nothing() -> None:
    assert not NO_LOSS.draw(1000, np.random.default_rng(1)).any()


def test_each_chain_loses_elements_at_its_own_rate() -> None:
    rates = torch.tensor([0.0, 0.1, 0.6])
    mask = residual_mask(torch.Size((3, 100, 20, 20)), rates, torch.Generator().manual_seed(1))
    assert (1 - mask).mean((1, 2, 3)).numpy() == pytest.approx([0.0, 0.1, 0.6], abs=0.01)
