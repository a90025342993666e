"""A scheme without pixels: fake payloads that fill the budget, for calls where only the network is of interest.

The frames that it shows are empty (0x0): they count as rendered, and their quality cannot be measured.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from grace_codec.api import LossResponse
from grace_codec.types import Budget, CodedFrame, Decoded, Frame, ReceivedFrame, Reference

_RAMP = bytes(range(256)) * 8
_NO_PIXELS = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class StubState:
    """A history as one number: two ends that used the same payloads of the same frames have the same one."""

    digest: int


class StubCodec:
    """Payloads of known bytes whose sum is exactly the budget; any subset decodes (loss response RESYNC).

    A frame of which one payload or more arrived decodes to a frame of 0x0 pixels with captured_us 0."""

    name = "stub"
    loss_response = LossResponse.RESYNC

    def encode(self, frame: Frame, reference: Reference | None, budget: Budget) -> CodedFrame:
        """As many payloads as the budget needs, equal in size to one byte; at least one byte in all."""
        size = max(1, budget.frame_bytes)
        total = -(-size // budget.max_payload_bytes)
        bounds = [size * index // total for index in range(total + 1)]
        payloads = tuple(_payload(frame.frame_id, index, bounds[index + 1] - bounds[index]) for index in range(total))
        everything = _advanced(reference, frame.frame_id, frozenset(range(total)))
        return CodedFrame(frame.frame_id, reference is None, payloads, everything)

    def decode(self, received: ReceivedFrame, reference: Reference | None) -> Decoded:
        """A frame is shown as soon as one payload has the bytes that `encode` gives it."""
        good = {
            i
            for i, data in received.payloads.items()
            if 0 <= i < received.total and _is_payload(received.frame_id, i, data)
        }
        rejected = {index: "not a stub payload" for index in received.payloads if index not in good}
        if not good or (reference is None and not received.key):
            return Decoded(None, reference, frozenset(), rejected)
        used = frozenset(good)
        parent = None if received.key else reference
        shown = Frame(received.frame_id, 0, _NO_PIXELS, _NO_PIXELS, _NO_PIXELS)
        return Decoded(shown, _advanced(parent, received.frame_id, used), used, rejected)

    def replay(self, received: ReceivedFrame, reference: Reference) -> Reference:
        """The history that `decode` reaches from `reference`."""
        return self.decode(received, reference).reference or reference


def _payload(frame_id: int, index: int, size: int) -> bytes:
    start = (frame_id * 31 + index * 17) % 256
    repeats = -(-(start + size) // len(_RAMP))
    return (_RAMP * repeats)[start : start + size]


def _is_payload(frame_id: int, index: int, data: bytes) -> bool:
    return bool(data) and data == _payload(frame_id, index, len(data))


def _advanced(parent: Reference | None, frame_id: int, used: frozenset[int]) -> StubState:
    before = parent.digest if isinstance(parent, StubState) else 0
    facts = struct.pack(f"!Iq{len(used)}I", before, frame_id, *sorted(used))
    return StubState(zlib.crc32(facts))
