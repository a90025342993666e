"""Laws of grace-lite: what zero means, what replay promises, what no input can break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.codec.untrained import untrained as lite

from grace_codec import profiles
from grace_codec.entropy.latents import Latents, ReceivedLatents
from grace_codec.models.api import Analysis
from grace_codec.models.lite_net import quantize
from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.types import Plane, Planes

CHANNELS = 4 * 56 + 2 * 22
LEVELS = 113


def complete(latents: Latents) -> ReceivedLatents:
    every = np.ones(latents.motion.shape, bool), np.ones(latents.residual.shape, bool)
    return ReceivedLatents(latents.motion, latents.residual, *every, latents.level)


def pictures(height: int = 96, width: int = 128) -> tuple[Planes, Planes]:
    """A textured reference and the frame after it: moved by (2, 1) px, a little brighter."""
    rng = np.random.default_rng(3)
    big = np.kron(rng.integers(40, 200, (height // 4 + 4, width // 4 + 4)), np.ones((4, 4))).astype(np.uint8)
    first, second = big[4 : 4 + height, 4 : 4 + width], big[5 : 5 + height, 6 : 6 + width] + 6

    def planes(p: Plane) -> Planes:
        return np.ascontiguousarray(p), np.ascontiguousarray(p[::2, ::2]), np.ascontiguousarray(p[1::2, ::2])

    return planes(first), planes(second)


def same(a: Planes, b: Planes) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def psnr(a: Planes, b: Planes) -> float:
    error = np.mean((a[0].astype(float) - b[0]) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


def received(rows: int, columns: int, value: int = 0, level: int = 40) -> ReceivedLatents:
    motion = np.zeros((2, rows, columns), np.int16)
    residual = np.full((CHANNELS, rows, columns), value, np.int16)
    return ReceivedLatents(motion, residual, np.ones_like(motion, bool), np.ones_like(residual, bool), level)


def test_zero_latents_decode_to_exactly_the_reference() -> None:
    reference, _ = pictures()
    assert same(lite().reconstruct(reference, received(6, 8)).planes, reference)


def test_zero_residual_decodes_to_exactly_the_prediction() -> None:
    reference, _ = pictures()
    motion = np.random.default_rng(1).integers(-9, 9, (2, 6, 8)).astype(np.int16)
    latents = replace(received(6, 8), motion=motion)
    assert same(lite().reconstruct(reference, latents).planes, ReferenceFrame(reference).compensate(motion))


def test_zero_residual_passes_through_the_networks_unchanged() -> None:
    """The shortcut for empty residuals is no different from running the network on zeros."""
    model = lite()
    reference, _ = pictures()
    one = received(6, 8)
    one.residual[0, 0, 0] = 1
    decoded = model.reconstruct(reference, one).planes
    assert np.array_equal(decoded[0][64:, 64:], reference[0][64:, 64:])
    assert not np.array_equal(decoded[0][:8, :8], reference[0][:8, :8])


def test_an_unchanged_frame_costs_nothing() -> None:
    model = lite()
    reference, _ = pictures()
    analysis = model.analyse(reference, reference)
    assert not analysis.motion.any()
    assert not analysis.residual.any()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (66, 70), (96, 128), (98, 64)])
def test_any_even_size_codes_and_keeps_its_size(height: int, width: int) -> None:
    model = lite(branch=0.0)
    reference, frame = pictures(height, width)
    latents = model.quantize(model.analyse(frame, reference), 80)
    assert latents.motion.shape == (2, -(-height // 16), -(-width // 16))
    decoded = model.reconstruct(reference, complete(latents)).planes
    assert [p.shape for p in decoded] == [p.shape for p in frame]
    assert psnr(decoded, frame) > 38 > psnr(reference, frame)


def test_finer_levels_are_closer_to_the_frame() -> None:
    model = lite(branch=0.0)
    reference, frame = pictures()
    analysis = model.analyse(frame, reference)
    quality = [
        psnr(model.reconstruct(reference, complete(model.quantize(analysis, level))).planes, frame)
        for level in (0, 30, 60, 90)
    ]
    assert quality == sorted(quality)


def test_steps_fall_smoothly_from_level_to_level() -> None:
    model = lite()
    steps = np.stack([model.steps(level) for level in range(LEVELS)])
    ratio = steps[1:] / steps[:-1]
    assert np.all((ratio > 0.9) & (ratio < 1))
    assert steps[0, 0] == pytest.approx(64)
    assert steps[-1, 0] == pytest.approx(0.78)


def test_small_values_fall_into_the_dead_zone_and_large_ones_are_clipped() -> None:
    model = lite()
    step = model.steps(40)
    residual = np.zeros((CHANNELS, 1, 4), np.float32)
    residual[:, 0] = step[:, None] * np.array([0.94, -0.96, 2.6, 1e9])
    latents = model.quantize(Analysis(np.zeros((2, 1, 4), np.int16), residual), 40)
    assert latents.residual[5, 0].tolist() == [0, -1, 3, 32767]


@pytest.mark.parametrize("level", [0, 40, 80, 104, 112])
def test_training_quantizes_as_the_encoder_does(level: int) -> None:
    model = lite()
    rng = np.random.default_rng(level)
    loud = 60 / (1 + np.arange(CHANNELS)) ** 0.7
    residual = (rng.laplace(0, 1, (CHANNELS, 9, 12)) * loud[:, None, None] * rng.gamma(0.5, 1, (9, 12))).astype(
        np.float32
    )
    symbols = model.quantize(Analysis(np.zeros((2, 9, 12), np.int16), residual), level).residual
    steps = torch.from_numpy(model.steps(level))[None, :, None, None]
    assert np.array_equal(quantize(torch.from_numpy(residual)[None] / steps, steps)[0].numpy(), symbols)
    assert level == 0 or symbols.any()


def test_training_quantizes_real_latents_as_the_encoder_does() -> None:
    model = lite(branch=0.0)
    reference, frame = pictures()
    analysis = model.analyse(frame, reference)
    for level in (60, 90, 112):
        steps = torch.from_numpy(model.steps(level))[None, :, None, None]
        trained = quantize(torch.from_numpy(analysis.residual)[None] / steps, steps)[0].numpy()
        assert np.array_equal(trained, model.quantize(analysis, level).residual)


def test_quantization_passes_the_gradient_through() -> None:
    z = torch.randn(2, CHANNELS, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (gradient,) = torch.autograd.grad(quantize(z, torch.ones(2, CHANNELS, 1, 1)).sum(), z)
    assert bool((gradient == 1).all())


def test_the_same_latents_decode_to_the_same_bits_on_both_ends() -> None:
    reference, frame = pictures()
    sender, receiver = lite(), lite()
    latents = complete(sender.quantize(sender.analyse(frame, reference), 60))
    y, u, v = (p.copy() for p in reference)
    assert same(sender.reconstruct(reference, latents).planes, receiver.reconstruct((y, u, v), latents).planes)


def test_replay_is_the_same_on_both_ends_whatever_ran_before() -> None:
    reference, frame = pictures()
    sender, receiver = lite(), lite()
    latents = complete(sender.quantize(sender.analyse(frame, reference), 60))
    sender.reconstruct(reference, latents)
    assert same(sender.replay(frame, latents), receiver.replay(frame, latents))


def test_replay_is_reconstruction_without_the_learned_branch() -> None:
    model = lite(branch=0.0)
    reference, frame = pictures()
    latents = complete(model.quantize(model.analyse(frame, reference), 60))
    full, linear = model.reconstruct(reference, latents).planes, model.replay(reference, latents)
    difference = [np.abs(a.astype(int) - b).max() for a, b in zip(full, linear, strict=True)]
    assert max(difference) <= 1  # rounding of exact halves


def test_lost_motion_is_filled_from_its_neighbours() -> None:
    model = lite(branch=0.0)
    reference, frame = pictures()
    latents = complete(model.quantize(model.analyse(frame, reference), 60))
    mask = latents.motion_mask.copy()
    mask[:, ::2, ::2] = False
    holed = replace(latents, motion=np.where(mask, latents.motion, 0).astype(np.int16), motion_mask=mask)
    out = model.reconstruct(reference, holed)
    assert out.motion[:, 2, 2].any() == latents.motion[:, 2, 2].any()
    assert psnr(out.planes, frame) > psnr(reference, frame)


@pytest.mark.parametrize("value", [32767, -32767, 1])
def test_absurd_latents_stay_pictures(value: int) -> None:
    model = lite()
    reference, _ = pictures()
    latents = replace(received(6, 8, value), motion=np.full((2, 6, 8), 32767, np.int16), level=10_000)
    for planes in (model.reconstruct(reference, latents).planes, model.replay(reference, latents)):
        assert [p.dtype for p in planes] == [np.uint8] * 3
        assert planes[0].shape == (96, 128)


def test_frame_and_reference_of_different_sizes_are_a_callers_bug() -> None:
    reference, _ = pictures(96, 128)
    frame, _ = pictures(96, 96)
    with pytest.raises(ValueError, match="its reference"):
        lite().analyse(frame, reference)


def test_steps_shrink_by_the_same_ratio_beyond_the_trained_levels() -> None:
    model = profiles.load("grace-lite")
    trained, levels = model.profile.trained_levels, model.profile.levels
    assert levels == trained + 40
    ratio = model.steps(trained - 1) / model.steps(trained - 2)
    for level in range(trained, levels):
        assert np.allclose(model.steps(level) / model.steps(level - 1), ratio, rtol=1e-4)
