"""What the receiver session tells its driver: work for the codec, and facts for the log."""

from __future__ import annotations

from dataclasses import dataclass

from grace_codec.types import ReceivedFrame
from grace_transport.resync import Step


@dataclass(frozen=True, slots=True)
class DecodeWanted:
    """Decode `received` against the state named `parent` (0: none), after making states as `steps` say.

    The driver answers with `on_decoded`."""

    at_us: int
    received: ReceivedFrame
    captured_us: int
    parent: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PacketArrived:
    at_us: int
    seq: int  # transport-wide, 16 bit as on the wire
    bytes: int


@dataclass(frozen=True, slots=True)
class CarryWanted:
    """Nothing of a frame was decoded: the driver keeps the state `step.parent` under the name `step.result` as well."""

    at_us: int
    step: Step


@dataclass(frozen=True, slots=True)
class FrameDecoded:
    """`received` of `total` payloads were used; `in_sync`: against the very reference the encoder used."""

    at_us: int
    frame_id: int
    received: int
    total: int
    in_sync: bool
    lineage: int


@dataclass(frozen=True, slots=True)
class FrameReady:
    """The frame is decoded and due: it is shown now.

    `captured_us` is in the sender's clock, `at_us` in the receiver's; in the lab and on one host they are the same."""

    at_us: int
    frame_id: int
    captured_us: int


@dataclass(frozen=True, slots=True)
class FrameLost:
    at_us: int
    frame_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class KeyFrameRequested:
    at_us: int
    last_frame_id: int
