"""The packet codec contract: what a scheme (GRACE, or a classical baseline) must do, and how it answers loss."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, runtime_checkable

from grace_codec.types import Budget, CodedFrame, Decoded, Frame, ReceivedFrame, Reference


class LossResponse(Enum):
    """How sender and receiver answer a lost packet of this scheme. Transport implements each once."""

    RESYNC = "resync"
    """Decode what arrived and report it; the encoder derives the receiver's reference from the report (paper 4.2)."""
    RETRANSMIT = "retransmit"
    """Wait for the missing packets and ask for them again (NACK, RFC 4585)."""


@runtime_checkable
class PacketCodec(Protocol):
    """Both halves of a scheme. One instance per end of a call; not thread-safe.

    References are explicit: a codec predicts a frame from the reference that it is given, not from the frame before.
    Payloads given to `decode` and `replay` come from the network: whatever is in them, neither raises; unusable
    payloads are rejected with a reason.
    """

    name: str
    loss_response: LossResponse

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """Code `frame`, predicted from `reference` (None: a key frame), within `budget`. ValueError where the reference
        is not this codec's, or has another size."""
        ...

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        """Decode whatever subset of the payloads arrived. A P-frame decodes against any reference of its size, even one
        that it was not predicted from.

        Deterministic: from the same reference and the same payloads both ends reach the same reference."""
        ...

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        """Re-apply the motion and residual of a frame that was decoded before to another reference (paper B.1)."""
        ...
