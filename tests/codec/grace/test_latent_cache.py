"""Laws of the latent cache: it answers for the very payloads it was given, and for any subset of them."""

from __future__ import annotations

import numpy as np
from tests.codec.grace_parts import LEVELS, latents, same, small_tables

from grace_codec.entropy.coder import LatentCoder
from grace_codec.grace.latent_cache import CAPACITY_FRAMES, CachedFrame, LatentCache
from grace_codec.grace.payload import Patch
from grace_codec.types import ReceivedFrame

CODER = LatentCoder(small_tables(), LEVELS)
PAYLOADS = {0: b"zero", 1: b"one", 2: b"two"}
FRAME = latents(1)
CACHED = CachedFrame(PAYLOADS, 3, 2, FRAME, Patch(4, b"intra"), host=2)


def cache() -> LatentCache:
    held = LatentCache(CODER)
    held.add(7, CACHED)
    return held


def test_all_payloads_give_everything() -> None:
    found = cache().find(ReceivedFrame(7, False, 3, PAYLOADS))
    assert found is not None
    assert same(found.latents.residual, FRAME.residual)
    assert found.latents.residual_mask.all()
    assert found.patch == CACHED.patch
    assert found.used == {0, 1, 2}


def test_a_subset_gives_what_the_entropy_decoder_would_give() -> None:
    found = cache().find(ReceivedFrame(7, False, 3, {1: b"one"}))
    assert found is not None
    expected = CODER.subset(FRAME, np.array([False, True]))
    assert same(found.latents.residual, expected.residual)
    assert np.array_equal(found.latents.motion_mask, expected.motion_mask)
    assert found.patch is None
    assert found.used == {1}


def test_anything_else_is_not_found() -> None:
    held = cache()
    for received in (
        ReceivedFrame(8, False, 3, PAYLOADS),
        ReceivedFrame(7, False, 4, PAYLOADS),
        ReceivedFrame(7, False, 3, {}),
        ReceivedFrame(7, False, 3, {0: b"zero", 1: b"forged"}),
    ):
        assert held.find(received) is None


def test_the_oldest_frame_goes_when_the_cache_is_full() -> None:
    held = cache()
    for frame_id in range(100, 100 + CAPACITY_FRAMES - 1):
        held.add(frame_id, CACHED)
    assert held.find(ReceivedFrame(7, False, 3, PAYLOADS)) is not None
    held.add(200, CACHED)
    assert held.find(ReceivedFrame(7, False, 3, PAYLOADS)) is None
    assert held.find(ReceivedFrame(200, False, 3, PAYLOADS)) is not None
