"""Laws of the encoder's references: which state a frame is encoded against, and what is kept for a resync."""

from __future__ import annotations

import numpy as np
import pytest

from grace_codec.api import LossResponse
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, ReceivedFrame, Reference
from grace_sender.events import EncodeWanted
from grace_sender.references import EncoderReferences
from grace_transport.resync import Retained, Step, StepKind


class Symbolic:
    """A codec whose states are the story of how they were made, as text."""

    name = "symbolic"
    loss_response = LossResponse.RESYNC

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        whole = f"P{frame.frame_id}({reference})" if reference else f"K{frame.frame_id}"
        return CodedFrame(frame.frame_id, reference is None, (b"a", b"b", b"c"), whole)

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        parts = "".join(part.decode() for _, part in sorted(received.payloads.items()))
        return Decoded(None, f"D{received.frame_id}[{parts}]({reference})", frozenset(received.payloads))

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        parts = "".join(part.decode() for _, part in sorted(received.payloads.items()))
        return f"R{received.frame_id}[{parts}]({reference})"


def encode(references: EncoderReferences, frame_id: int, parent: int, *steps: Step) -> CodedFrame:
    none = np.zeros((0, 0), np.uint8)
    order = EncodeWanted(0, frame_id, 0, parent, steps, Budget(1000))
    return references.encode(order, Frame(frame_id, 0, none, none, none))


def kept(frames: int) -> EncoderReferences:
    """Frames 0, 1 ... were encoded one after the other; the state of frame `n` has the name 10 + n."""
    references = EncoderReferences(Symbolic())
    for frame_id in range(frames):
        references.keep(encode(references, frame_id, 9 + frame_id if frame_id else 0), 10 + frame_id)
    return references


def test_frame_without_a_parent_is_a_key_frame_and_others_are_predicted_from_the_state_named() -> None:
    assert encode(EncoderReferences(Symbolic()), 0, 0).key
    assert encode(kept(2), 2, 11).reference == "P2(P1(K0))"
    assert encode(kept(2), 2, 10).reference == "P2(K0)"


def test_resync_decodes_what_the_receiver_had_and_replays_what_followed() -> None:
    steps = (
        Step(StepKind.DECODE, 1, parent=10, received=0b101, total=3, result=50),
        Step(StepKind.REPLAY, 2, parent=50, received=0b111, total=3, result=51),
    )
    assert encode(kept(3), 3, 51, *steps).reference == "P3(R2[abc](D1[ac](K0)))"


def test_frame_of_which_nothing_arrived_leaves_the_state_as_it_was() -> None:
    step = Step(StepKind.DECODE, 1, parent=10, received=0, total=0, result=50)
    assert encode(kept(2), 2, 50, step).reference == "P2(K0)"


def test_states_and_payloads_that_are_not_retained_are_gone() -> None:
    references = kept(3)
    references.forget(Retained(frozenset({12}), 2))
    assert encode(references, 3, 12).reference == "P3(P2(P1(K0)))"
    with pytest.raises(KeyError):
        encode(references, 3, 11)
    with pytest.raises(KeyError):
        encode(references, 3, 50, Step(StepKind.DECODE, 1, parent=12, received=1, total=3, result=50))
