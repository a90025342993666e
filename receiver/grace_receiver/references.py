"""Runs the codec for a receiver session: executes decode orders and keeps the states that they name.

Owns received frames and reference states; refuses to know time, threads and packets. Synchronous: the lab calls it
inline, the live receiver on its worker thread.
"""

from __future__ import annotations

from grace_codec.api import PacketCodec
from grace_codec.types import Decoded, ReceivedFrame, Reference
from grace_receiver.events import DecodeWanted
from grace_transport.resync import Retained, Step


class DecoderReferences:
    """Decode orders in, frames out. States are named by lineage, as the session names them."""

    def __init__(self, codec: PacketCodec) -> None:
        self._codec = codec
        self._states: dict[int, Reference] = {}
        self._received: dict[int, ReceivedFrame] = {}

    def decode(self, order: DecodeWanted) -> Decoded:
        """Make the states that `order.steps` ask for, then decode against the one named `order.parent`."""
        for step in order.steps:
            self._states[step.result] = self._replay(step)
        reference = self._states.get(order.parent) if order.parent else None
        received = order.received
        decoded = self._codec.decode(received, reference)
        used = {index: received.payloads[index] for index in decoded.used}
        self._received[received.frame_id] = ReceivedFrame(received.frame_id, received.key, received.total, used)
        return decoded

    def carry(self, step: Step) -> None:
        """Nothing of a frame was decoded: its parent's state gets another name as well."""
        self._states[step.result] = self._states[step.parent]

    def keep(self, decoded: Decoded, lineage: int) -> None:
        """Keep the state that decoding led to, under its name."""
        self._states[lineage] = decoded.reference

    def forget(self, retained: Retained) -> None:
        """Drop the states and payloads that the session does not need any more."""
        self._states = {name: state for name, state in self._states.items() if name in retained.lineages}
        oldest = retained.oldest_frame_id
        self._received = {frame_id: kept for frame_id, kept in self._received.items() if frame_id >= oldest}

    def _replay(self, step: Step) -> Reference:
        return self._codec.replay(self._received[step.frame_id], self._states[step.parent])
