"""Laws of the C library: it is there for this processor, and every level computes the same motion."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.codec.grace_parts import texture

from grace_codec import native
from grace_codec.errors import BackendError
from grace_codec.motion.compensation import ReferenceFrame
from grace_codec.motion.search import MotionSearch
from grace_codec.native import build


def test_every_level_predicts_and_finds_the_same_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, current = ReferenceFrame(texture(96, 128, 1)), texture(96, 128, 2)[0]
    results: list[tuple[np.ndarray[Any, Any], ...]] = []
    for level in build.levels():
        monkeypatch.setattr(native, "_levels", lambda level=level: [level])
        native._library.cache_clear()
        native._function.cache_clear()
        motion = MotionSearch()(current, reference)
        results.append((motion, *reference.compensate(motion)))
    native._library.cache_clear()
    native._function.cache_clear()
    assert results
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_missing_library_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    native._library.cache_clear()
    with pytest.raises(BackendError, match="install the package again"):
        native._library()
    monkeypatch.undo()
    native._library.cache_clear()
