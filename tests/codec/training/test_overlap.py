"""Motion compensation for GPU training gives the same pixels as the one calls run."""

from __future__ import annotations

import numpy as np
import torch

from grace_codec.motion.search import MAX_VECTOR, ReferencePicture
from grace_codec.training.overlap import compensate


def test_torch_and_numpy_predict_the_same_picture() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 256, (2, 1, 64, 96)).astype(np.uint8)
    uv = rng.integers(0, 256, (2, 2, 32, 48)).astype(np.uint8)
    motion = rng.integers(-MAX_VECTOR, MAX_VECTOR + 1, (2, 2, 4, 6)).astype(np.int16)
    py, puv = compensate(torch.from_numpy(y), torch.from_numpy(uv), torch.from_numpy(motion))
    for i in range(2):
        planes = ReferencePicture((y[i, 0], uv[i, 0], uv[i, 1])).compensate(motion[i])
        assert np.array_equal(py[i, 0].numpy(), planes[0])
        assert np.array_equal(puv[i].numpy(), np.stack(planes[1:]))
