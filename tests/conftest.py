"""Lanes by folder, and settings that every test shares. tests/README.md says which lane runs when."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
LANES = {
    "live": pytest.mark.live,  # real sockets and processes
    "scenarios": pytest.mark.slow,  # minutes of emulated calls each
    "codec/training": pytest.mark.slow,
    "examples": pytest.mark.slow,  # processes of their own
    "app/test_base_install.py": pytest.mark.slow,
    "codec/evaluation/test_rate_distortion.py": pytest.mark.slow,
}

# A verdict depends neither on how fast the machine is nor on chance. `pytest --hypothesis-profile explore` tries
# other examples each time.
_LAWS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("laws", _LAWS, derandomize=True)
settings.register_profile("explore", _LAWS, max_examples=1_000)
settings.load_profile("laws")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(HERE).as_posix()
        for folder, mark in LANES.items():
            if path.startswith(folder):
                item.add_marker(mark)
