"""A batch's crops are the clips' own pixels and vectors."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from grace_codec.errors import CodecError
from grace_codec.training.data import Clip, ClipStore


def clip(seed: int, height: int, width: int) -> Clip:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 256, (3, height, width)).astype(np.uint8)
    uv = rng.integers(0, 256, (3, 2, height // 2, width // 2)).astype(np.uint8)
    return Clip(str(seed), y, uv, rng.integers(-99, 99, (3, 2, height // 16, width // 16)).astype(np.int16))


FIRST, SECOND = clip(1, 64, 96), clip(2, 80, 64)


def store() -> ClipStore:
    return ClipStore([FIRST, SECOND], torch.device("cpu"))


def test_a_crop_is_cut_out_of_its_clip() -> None:
    y, uv, motion = store().crops(torch.tensor([[0, 1, 16, 32, 0], [1, 2, 32, 0, 0]]), 32)
    assert np.array_equal(y[0, 0], FIRST.y[1, 16:48, 32:64])
    assert np.array_equal(uv[0], FIRST.uv[1, :, 8:24, 16:32])
    assert np.array_equal(motion[0], FIRST.motion[1, :, 1:3, 2:4])
    assert np.array_equal(y[1, 0], SECOND.y[2, 32:64, :32])
    assert np.array_equal(motion[1], SECOND.motion[2, :, 2:4, :2])


def test_a_mirrored_crop_moves_the_other_way() -> None:
    y, uv, motion = store().crops(torch.tensor([[1, 0, 16, 16, 1]]), 48)
    assert np.array_equal(y[0, 0], SECOND.y[0, 16:64, 16:64][:, ::-1])
    assert np.array_equal(uv[0], SECOND.uv[0, :, 8:32, 8:32][:, :, ::-1])
    assert np.array_equal(motion[0, 0], -SECOND.motion[0, 0, 1:4, 1:4][:, ::-1])
    assert np.array_equal(motion[0, 1], SECOND.motion[0, 1, 1:4, 1:4][:, ::-1])


def test_the_clips_list_is_emptied() -> None:
    clips = [FIRST, SECOND]
    assert len(ClipStore(clips, torch.device("cpu"))) == 2
    assert clips == []


def test_crops_are_chosen_where_they_fit() -> None:
    rng = random.Random(1)
    for _ in range(50):
        index, top, left, _ = store().choose(64, rng)
        height, width = (FIRST, SECOND)[index].y.shape[1:]
        assert top % 16 == left % 16 == 0
        assert top + 64 <= height
        assert left + 64 <= width


def test_no_clip_is_large_enough() -> None:
    with pytest.raises(CodecError, match="96 px"):
        store().choose(96, random.Random(1))
