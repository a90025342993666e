"""Shipped weights are verified before use, and every way they can be wrong has its own words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from grace_codec import profiles
from grace_codec.errors import ModelError
from grace_codec.grace.payload import MAX_PROFILE_ID

TRAINED = [p.name for p in profiles.PROFILES.values() if p.trained]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in profiles.weights_paths("grace-lite"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", TRAINED)
def test_shipped_weights_match_their_card(name: str) -> None:
    weights = profiles.read_weights(name)
    assert weights.card["profile"] == name
    assert weights.tensors["log_step"].shape[0] >= 11  # rate levels


def test_all_weights_together_stay_small() -> None:
    assert sum(p.stat().st_size for p in profiles.WEIGHTS.iterdir()) <= 20 << 20


def test_wire_ids_are_unique_and_fit_a_payloads_header() -> None:
    ids = [p.wire_id for p in profiles.PROFILES.values()]
    assert len(set(ids)) == len(ids)
    assert all(0 < i <= MAX_PROFILE_ID for i in ids)


def test_the_model_id_follows_the_weights() -> None:
    model = profiles.load("grace-lite")
    assert model.profile.model_id == int(profiles.read_weights("grace-lite").sha256[:8], 16)


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(ModelError, match=r"'graze'.*grace-lite"):
        profiles.load("graze")


def test_an_untrained_profile_says_where_its_plan_is() -> None:
    with pytest.raises(ModelError, match=r"TRAINING\.md"):
        profiles.load("grace")


def test_damaged_weights_are_refused(folder: Path) -> None:
    path = folder / "grace-lite.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        profiles.load("grace-lite", folder=folder)


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no weights"):
        profiles.load("grace-lite", folder=tmp_path)


def test_a_card_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "grace-lite.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        profiles.load("grace-lite", folder=folder)


def test_a_card_of_other_weights_is_refused(folder: Path) -> None:
    card = json.loads((folder / "grace-lite.json").read_text())
    (folder / "grace-lite.json").write_text(json.dumps({**card, "sha256": "0" * 64}))
    with pytest.raises(ModelError, match="SHA-256"):
        profiles.load("grace-lite", folder=folder)
