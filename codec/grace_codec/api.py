"""The packet codec contract: what a scheme (GRACE, or a classical baseline) must do, and how it answers loss."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, runtime_checkable

from grace_codec.types import Budget, CodedFrame, Decoded, Frame, ReceivedFrame, Reference


class LossResponse(Enum):
    """How sender and receiver answer a lost packet of this scheme. Transport implements each once."""

    RESYNC = "resync"  # decode what came, report it, the encoder re-derives the reference (paper 4.2)
    RETRANSMIT = "retransmit"  # wait for the missing packets, ask for them again (NACK)


@runtime_checkable
class PacketCodec(Protocol):
    """Both halves of a scheme. One instance per end of a call; not thread-safe.

    Bytes given to `decode` and `replay` come from the network: they never raise for what is in them, they reject.
    """

    name: str
    loss_response: LossResponse

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """Code `frame` against `reference` (None: a key frame) within `budget`."""
        ...

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        """Decode whatever subset of payloads arrived. A P-frame decodes against any reference, the wrong one included.

        Deterministic: both ends reach the same reference from the same payloads and the same reference."""
        ...

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        """Re-apply the motion and residual of a frame that was decoded before to another reference (paper B.1)."""
        ...
