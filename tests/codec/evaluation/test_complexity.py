"""Laws of SI and TI; held against the figures of the test videos where these are at hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from grace_codec.evaluation.complexity import complexity, spatial_information
from grace_codec.media.clip import open_clip

VIDEO = Path(__file__).parents[3] / "../shared/video"


def test_flat_and_still_pictures_have_no_information() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    figures = complexity([flat, flat])
    assert (figures.si, figures.ti, figures.mean_ti) == (0.0, 0.0, 0.0)


def test_vertical_edge_by_hand() -> None:
    """Two of 62 inner columns see the edge: gradient 4 * 100 there, 0 elsewhere."""
    plane = np.zeros((64, 64), np.uint8)
    plane[:, 32:] = 100
    share = 2 / 62
    assert spatial_information(plane) == pytest.approx(400 * (share - share**2) ** 0.5)


def test_temporal_information_is_the_spread_of_the_difference() -> None:
    dark, half_lit = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    half_lit[:32] = 50
    figures = complexity([dark, half_lit, half_lit])
    assert figures.ti == pytest.approx(25.0)
    assert figures.mean_ti == pytest.approx(12.5)


def test_no_pictures_have_no_complexity() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        complexity([])


@pytest.mark.skipif(not VIDEO.exists(), reason="needs ../shared/video")
def test_figures_of_real_clips_match_their_manifest() -> None:
    manifest = (VIDEO / "MANIFEST.csv").read_text().splitlines()
    rows = [row for row in csv.DictReader(manifest) if "akiyo" in row["file"]]
    assert rows
    for row in rows:
        with open_clip(VIDEO / row["file"]) as clip:
            figures = complexity(frame.y for frame in clip.play())
        assert figures.si == pytest.approx(float(row["SI"]), rel=0.03)
        assert figures.ti == pytest.approx(float(row["TI"]), rel=0.03)
