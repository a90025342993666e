"""The reference store keeps the newest references and no more."""

from __future__ import annotations

import pytest

from grace_codec.store import ReferenceStore


def test_the_oldest_reference_goes_first() -> None:
    store = ReferenceStore(2)
    store.put(1, "a")
    store.put(2, "b")
    store.put(3, "c")
    assert (store.get(1), store.get(2), store.get(3)) == (None, "b", "c")
    assert len(store) == 2


def test_a_reference_that_is_asked_for_stays() -> None:
    store = ReferenceStore(2)
    store.put(1, "a")
    store.put(2, "b")
    assert store.get(1) == "a"
    store.put(3, "c")
    assert 1 in store
    assert 2 not in store


def test_storing_again_replaces() -> None:
    store = ReferenceStore(1)
    store.put(7, "a")
    store.put(7, "b")
    assert store.get(7) == "b"


def test_a_store_for_nothing_is_a_callers_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ReferenceStore(0)
