"""Laws of the built-in scenes: the same bytes everywhere, in every size, with motion that is seen."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from grace_codec.evaluation.quality import complexity
from grace_codec.media.synthetic import SCENES
from grace_codec.media.synthetic.painting import sampled, sine, wander

GOLDEN = {
    "talk": "13932a34f7cd9f80",
    "pan": "df008b55fe4b14a2",
    "detail": "97d16b21f267e2ce",
}
"""First 16 digits of the SHA-256 of the pictures at 0, 0.52 and 7.04 s, 128x96, seed 1."""


@pytest.mark.parametrize("name", SCENES)
def test_scene_is_the_same_bytes_on_every_machine(name: str) -> None:
    digest = hashlib.sha256()
    draw = SCENES[name](96, 128, 1)
    for at_us in (0, 520_000, 7_040_000):
        for plane in draw(at_us):
            digest.update(plane.tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[name]


@pytest.mark.parametrize("name", SCENES)
def test_picture_depends_on_time_alone(name: str) -> None:
    draw = SCENES[name](64, 96, 3)
    later = draw(400_000)
    draw(0)
    assert all(np.array_equal(a, b) for a, b in zip(later, draw(400_000), strict=True))


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (66, 130), (320, 180)])
def test_scene_fits_any_even_size(name: str, width: int, height: int) -> None:
    y, u, v = SCENES[name](height, width, 0)(40_000)
    assert (y.shape, u.shape, v.shape) == ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    assert y.dtype == u.dtype == v.dtype == np.uint8


@pytest.mark.parametrize("name", SCENES)
def test_scene_is_as_demanding_as_real_video(name: str) -> None:
    """The paper's videos have SI 15 to 85 and TI 3 to 25 (C.4)."""
    draw = SCENES[name](180, 320, 1)
    figures = complexity(draw(index * 40_000)[0] for index in range(25))
    assert 15 < figures.mean_si < 110
    assert 2 < figures.mean_ti < 25


def test_seeds_give_other_scenes() -> None:
    assert not np.array_equal(SCENES["talk"](64, 64, 1)(0)[0], SCENES["talk"](64, 64, 2)(0)[0])


def test_sine_of_quarter_turns() -> None:
    assert [sine(phase) for phase in (0, 16384, 32768, 49152, 65536)] == [0, 32768, 0, -32768, 0]
    assert abs(sine(65536 // 12) - 16384) < 32


def test_wander_stays_within_reach() -> None:
    path = [wander(at_us, 1000, 700, 5) for at_us in range(0, 4_000_000, 40_000)]
    assert -1000 <= min(path) < -300
    assert 300 < max(path) <= 1000


def test_whole_pixel_placement_copies_and_half_pixel_interpolates() -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.int32), (8, 1))
    assert sampled(ramp, 3 << 8, 0, 2, 3).tolist() == [[30, 40, 50]] * 2
    assert sampled(ramp, (3 << 8) + 128, 0, 2, 3).tolist() == [[35, 45, 55]] * 2
