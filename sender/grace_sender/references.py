"""Runs the codec for a sender session: executes encode orders and keeps the states that they name.

Owns coded frames and reference states; refuses to know time, threads and packets. Synchronous: the lab calls it inline,
the live sender on its worker thread.
"""

from __future__ import annotations

from grace_codec.api import PacketCodec
from grace_codec.types import CodedFrame, Frame, ReceivedFrame, Reference
from grace_sender.events import EncodeWanted
from grace_transport.resync import Retained, Step, StepKind


class EncoderReferences:
    """Encode orders in, coded frames out. States are named by lineage, as the session names them."""

    def __init__(self, codec: PacketCodec) -> None:
        self._codec = codec
        self._states: dict[int, Reference] = {}
        self._coded: dict[int, CodedFrame] = {}

    def encode(self, order: EncodeWanted, frame: Frame) -> CodedFrame:
        """Make the states that `order.steps` ask for, then encode `frame` against the one named `order.parent`."""
        for step in order.steps:
            self._states[step.result] = self._make(step)
        reference = self._states[order.parent] if order.parent else None
        return self._codec.encode(frame, reference, order.budget)

    def keep(self, coded: CodedFrame, lineage: int) -> None:
        """Keep what a resync may need: the state of the complete frame under its name, and the payloads."""
        self._states[lineage] = coded.reference
        self._coded[coded.frame_id] = coded

    def forget(self, retained: Retained) -> None:
        """Drop the states and payloads that the session does not need any more."""
        self._states = {name: state for name, state in self._states.items() if name in retained.lineages}
        oldest = retained.oldest_frame_id
        self._coded = {frame_id: coded for frame_id, coded in self._coded.items() if frame_id >= oldest}

    def _make(self, step: Step) -> Reference:
        parent = self._states[step.parent]
        if step.total == 0:  # nothing of the frame arrived: the receiver's frame stayed as it was
            return parent
        coded = self._coded[step.frame_id]
        payloads = {index: payload for index, payload in enumerate(coded.payloads) if step.received >> index & 1}
        received = ReceivedFrame(step.frame_id, coded.key, step.total, payloads)
        if step.kind is StepKind.REPLAY:
            return self._codec.replay(received, parent)
        return self._codec.decode(received, parent).reference
