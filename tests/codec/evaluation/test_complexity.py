"""Laws of spatial and temporal information (ITU-T P.910)."""

from __future__ import annotations

import numpy as np
import pytest

from grace_codec.evaluation.quality import complexity, spatial_information


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
    with pytest.raises(ValueError, match="no frames"):
        complexity([])
