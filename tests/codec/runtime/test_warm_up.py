"""What is done before a call leaves nothing behind in it, and is done once in a process."""

from __future__ import annotations

import numpy as np
import pytest

from grace_codec import schemes
from grace_codec.api import PacketCodec
from grace_codec.baselines.stub import StubCodec
from grace_codec.grace.codec import GraceCodec
from grace_codec.runtime import warm_up
from grace_codec.types import Budget, Decoded, Frame, ReceivedFrame, Reference

pytest.importorskip("openvino", reason="the codec extra is not installed")


class Watched(StubCodec):
    """Tells what it was asked for."""

    asked: set[str]

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        self.asked.add("part" if len(received.payloads) < received.total else "key" if received.key else "whole")
        return super().decode(received, reference)

    def replay(self, received: ReceivedFrame, parent: Reference) -> Reference:
        self.asked.add("replay")
        return super().replay(received, parent)


def test_all_that_a_call_does_is_done() -> None:
    asked: set[str] = set()

    def make() -> PacketCodec:
        codec = Watched()
        codec.asked = asked
        return codec

    warm_up.warm_up(make)
    assert asked == {"key", "whole", "part", "replay"}


def test_first_codec_of_a_process_alone_is_preceded_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(warm_up, "warm_up", calls.append)
    monkeypatch.setattr(schemes, "_warm", set())
    make = schemes.live_scheme("grace-lite").make
    make()
    make()
    assert len(calls) == 1


def test_call_begins_as_if_nothing_had_been_done() -> None:
    plane = np.full((64, 64), 90, np.uint8)
    frame = Frame(0, 0, plane, plane[::2, ::2].copy(), plane[::2, ::2].copy())
    before = GraceCodec.load("grace-lite").encode(frame, None, Budget(3000))
    warm_up.warm_up(lambda: GraceCodec.load("grace-lite"))
    after = GraceCodec.load("grace-lite").encode(frame, None, Budget(3000))
    assert after.payloads == before.payloads
