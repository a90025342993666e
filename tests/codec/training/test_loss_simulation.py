"""Simulated loss has the rates the paper states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grace_codec.training.loss_simulation import NO_LOSS, PAPER_LOSS, fill_gaps, residual_mask


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


def test_without_loss_motion_is_untouched() -> None:
    motion = torch.arange(2.0 * 12).reshape(1, 2, 3, 4)
    assert torch.equal(fill_gaps(motion, torch.ones(1, 1, 3, 4)), motion)


def test_lost_vectors_come_from_neighbours_and_never_from_nowhere() -> None:
    motion = torch.full((1, 2, 30, 40), 12.0)
    kept = residual_mask(torch.Size((1, 1, 30, 40)), torch.tensor([0.5]), torch.Generator().manual_seed(1))
    assert torch.equal(fill_gaps(motion, kept), motion)


def test_with_every_vector_lost_nothing_moves() -> None:
    assert not fill_gaps(torch.full((1, 2, 3, 4), 12.0), torch.zeros(1, 1, 3, 4)).any()
