"""Compensation and concealment in PyTorch give the same pixels and vectors as those that calls run."""

from __future__ import annotations

import numpy as np
import torch

from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.concealment import fill_gaps as fill_gaps_in_calls
from grace_codec.motion.field import MAX_VECTOR
from grace_codec.training.motion import compensate_on_device, fill_gaps


def test_torch_and_numpy_predict_the_same_frame() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 256, (2, 1, 64, 96)).astype(np.uint8)
    uv = rng.integers(0, 256, (2, 2, 32, 48)).astype(np.uint8)
    motion = rng.integers(-MAX_VECTOR, MAX_VECTOR + 1, (2, 2, 4, 6)).astype(np.int16)
    py, puv = compensate_on_device(torch.from_numpy(y), torch.from_numpy(uv), torch.from_numpy(motion))
    for i in range(2):
        planes = ReferenceFrame((y[i, 0], uv[i, 0], uv[i, 1])).compensate(motion[i])
        assert np.array_equal(py[i, 0].numpy(), planes[0])
        assert np.array_equal(puv[i].numpy(), np.stack(planes[1:]))


def test_gaps_are_filled_in_training_as_in_calls() -> None:
    rng = np.random.default_rng(1)
    motion, received = rng.integers(-90, 90, (2, 5, 7)).astype(np.int16), rng.random((5, 7)) < 0.4
    motion[:, ~received] = 0
    filled = fill_gaps(torch.from_numpy(motion).float()[None], torch.from_numpy(received)[None, None].float())
    assert np.array_equal(filled[0].numpy().astype(np.int16), fill_gaps_in_calls(motion, received))


def test_without_loss_motion_is_untouched() -> None:
    motion = torch.arange(2.0 * 12).reshape(1, 2, 3, 4)
    assert torch.equal(fill_gaps(motion, torch.ones(1, 1, 3, 4)), motion)


def test_lost_vectors_come_from_neighbours_and_never_from_nowhere() -> None:
    motion = torch.full((1, 2, 30, 40), 12.0)
    kept = (torch.rand((1, 1, 30, 40), generator=torch.Generator().manual_seed(1)) >= 0.5).float()
    assert torch.equal(fill_gaps(motion, kept), motion)


def test_with_every_vector_lost_nothing_moves() -> None:
    assert not fill_gaps(torch.full((1, 2, 3, 4), 12.0), torch.zeros(1, 1, 3, 4)).any()
