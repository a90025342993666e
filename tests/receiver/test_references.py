"""Laws of the decoder's references: which state a frame is decoded against, and what is kept for a replay."""

from __future__ import annotations

import pytest

from grace_codec.api import LossResponse
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, ReceivedFrame, Reference
from grace_receiver.events import DecodeWanted
from grace_receiver.references import DecoderReferences
from grace_transport.resync import Retained, Step, StepKind


class Symbolic:
    """A codec whose states are the story of how they were made, as text; it rejects the payload `bad`."""

    name = "symbolic"
    loss_response = LossResponse.RESYNC

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        raise AssertionError("a receiver encodes nothing")

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        good = {index: part for index, part in received.payloads.items() if part != b"bad"}
        story = f"D{received.frame_id}[{_text(good)}]({reference or ''})"
        return Decoded(None, story, frozenset(good), dict.fromkeys(received.payloads.keys() - good.keys(), "bad"))

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        return f"R{received.frame_id}[{_text(received.payloads)}]({reference})"


def _text(payloads: object) -> str:
    assert isinstance(payloads, dict)
    return "".join(part.decode() for _, part in sorted(payloads.items()))


def decode(references: DecoderReferences, frame_id: int, parent: int, *steps: Step, **payloads: bytes) -> Decoded:
    parts = {int(name[1:]): part for name, part in payloads.items()}
    received = ReceivedFrame(frame_id, parent == 0, 3, parts)
    return references.decode(DecodeWanted(0, received, 0, parent, steps))


def begun() -> DecoderReferences:
    """Key frame 0 was decoded; its state has the name 10."""
    references = DecoderReferences(Symbolic())
    references.keep(decode(references, 0, 0, p0=b"a"), 10)
    return references


def test_frame_is_decoded_against_the_state_named() -> None:
    assert decode(begun(), 1, 10, p0=b"x", p2=b"z").reference == "D1[xz](D0[a]())"


def test_carried_state_has_two_names() -> None:
    references = begun()
    references.carry(Step(StepKind.DECODE, 1, parent=10, received=0, total=3, result=11))
    assert decode(references, 2, 11, p0=b"x").reference == decode(references, 2, 10, p0=b"x").reference


def test_replay_applies_the_payloads_that_the_codec_used_to_another_state() -> None:
    references = begun()
    references.keep(decode(references, 1, 10, p0=b"x", p1=b"bad"), 11)
    references.keep(decode(references, 2, 0, p0=b"k"), 12)
    step = Step(StepKind.REPLAY, 1, parent=12, received=0b1, total=3, result=50)
    assert decode(references, 3, 50, step, p0=b"y").reference == "D3[y](R1[x](D2[k]()))"


def test_states_and_payloads_that_are_not_retained_are_gone() -> None:
    references = begun()
    references.keep(decode(references, 1, 10, p0=b"x"), 11)
    references.forget(Retained(frozenset({10}), 2))
    step = Step(StepKind.REPLAY, 1, parent=10, received=0b1, total=3, result=50)
    with pytest.raises(KeyError):
        decode(references, 2, 50, step, p0=b"y")
    assert decode(references, 2, 11, p0=b"y").reference == "D2[y]()"  # a forgotten state is as none
