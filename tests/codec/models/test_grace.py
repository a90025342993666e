"""Laws of the GPU profile: its shapes, what zero means, determinism. Its weights are untrained here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from grace_codec.types import Planes

pytest.importorskip("torch")

import torch

from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.models.grace import GraceModel, profile
from grace_codec.models.grace_net import MOTION_CHANNELS, GraceNet, warp

CHANNELS = 4 * 56 + 2 * 22


@cache
def model() -> GraceModel:
    """Random weights also where a fresh network has zeros, so that every branch takes part."""
    torch.set_num_threads(1)
    torch.manual_seed(4)
    net = GraceNet()
    for weight in net.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.01)
    return GraceModel(profile("grace", 4, 0, 89), net, torch.device("cpu"))


def pictures(height: int = 64, width: int = 96) -> tuple[Planes, Planes]:
    rng = np.random.default_rng(3)
    big = np.kron(rng.integers(40, 200, (height // 4 + 4, width // 4 + 4)), np.ones((4, 4))).astype(np.uint8)
    first, second = big[4 : 4 + height, 4 : 4 + width], big[5 : 5 + height, 6 : 6 + width] + 6
    return (
        (first.copy(), first[::2, ::2].copy(), first[1::2, ::2].copy()),
        (second.copy(), second[::2, ::2].copy(), second[1::2, ::2].copy()),
    )


def complete(latents: Latents) -> ReceivedLatents:
    every = np.ones(latents.motion.shape, bool), np.ones(latents.residual.shape, bool)
    return ReceivedLatents(latents.motion, latents.residual, *every, latents.level)


def same(a: Planes, b: Planes) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def empty(rows: int, columns: int) -> ReceivedLatents:
    motion = np.zeros((MOTION_CHANNELS, rows, columns), np.int16)
    return complete(Latents(motion, np.zeros((CHANNELS, rows, columns), np.int16), 40))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (66, 70)])
def test_latents_have_the_profiles_shapes_and_pictures_keep_their_size(height: int, width: int) -> None:
    reference, frame = pictures(height, width)
    latents = model().quantize(model().analyse(frame, reference), 40)
    rows, columns = -(-height // 16), -(-width // 16)
    assert latents.motion.shape == (MOTION_CHANNELS, rows, columns)
    assert latents.residual.shape == (model().profile.residual_channels, rows, columns)
    assert [p.shape for p in model().reconstruct(reference, complete(latents)).planes] == [p.shape for p in frame]


def test_zero_latents_decode_to_exactly_the_reference() -> None:
    reference, _ = pictures()
    assert same(model().reconstruct(reference, empty(4, 6)).planes, reference)
    assert same(model().replay(reference, empty(4, 6)), reference)


def test_an_unchanged_frame_has_no_motion_and_no_residual() -> None:
    reference, _ = pictures()
    analysis = model().analyse(reference, reference)
    assert not analysis.motion.any()
    assert not analysis.residual.any()


def test_the_same_latents_decode_to_the_same_bits() -> None:
    reference, frame = pictures()
    latents = complete(model().quantize(model().analyse(frame, reference), 60))
    copy: Planes = (reference[0].copy(), reference[1].copy(), reference[2].copy())
    assert same(model().reconstruct(reference, latents).planes, model().reconstruct(copy, latents).planes)
    assert same(model().replay(reference, latents), model().replay(copy, latents))


def test_absurd_latents_stay_pictures() -> None:
    reference, _ = pictures()
    absurd = empty(4, 6)
    absurd = replace(absurd, motion=absurd.motion + np.int16(32767), residual=absurd.residual - np.int16(32767))
    for planes in (model().reconstruct(reference, absurd).planes, model().replay(reference, absurd)):
        assert planes[0].shape == (64, 96)
        assert planes[0].dtype == np.uint8


def test_a_warp_survives_a_flow_that_is_no_number() -> None:
    planes = torch.rand(1, 1, 16, 16)
    flow = torch.full((1, 2, 16, 16), float("nan"))
    assert torch.isfinite(warp(planes, flow)).all()


def test_the_encoder_stays_within_the_gpu_budget() -> None:
    """At most 300 kMAC per pixel, all networks together."""
    net, counted = GraceNet(), [0]

    def count(conv: torch.nn.Module, _inputs: object, out: torch.Tensor) -> None:
        counted[0] += int(conv.weight.numel()) * out.shape[2] * out.shape[3]  # type: ignore[operator]

    for conv in net.modules():
        if isinstance(conv, torch.nn.Conv2d):
            conv.register_forward_hook(count)
    y, uv = torch.zeros(1, 1, 64, 64), torch.zeros(1, 2, 32, 32)
    with torch.inference_mode():
        prediction = net.predict(net.estimate(y, uv, y, uv), y, uv)
        latents = net.analysis(y, uv, *prediction)
        net.decode(latents, *prediction, torch.tensor([3.0]))
    assert 100e3 < counted[0] / 64**2 < 300e3
