"""What the receiver session tells its driver: work for the codec, and facts for the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from grace_codec.types import Frame, ReceivedFrame
from grace_transport.machine import DatagramRejected
from grace_transport.resync import Step


class LossReason(Enum):
    """Why nothing of a frame was decoded. The values are the words in a log."""

    NEVER_COMPLETE = "never complete"
    """The scheme decodes whole frames only, and packets of this one never came."""
    NO_REFERENCE = "no reference: waiting for a key frame"
    INCOMPLETE_KEY_FRAME = "incomplete key frame"
    NOTHING_TO_DECODE = "nothing to decode"
    DECODER_TOO_SLOW = "decoder too slow"
    """It waited for the decoder for too long; newer frames are behind it."""
    NOT_DECODABLE = "not decodable"
    """The codec rejected every payload."""


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
    """An RTP packet of the stream arrived; padding counts as well. `bytes` are with the RTP header."""

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
    """`received` of `total` payloads were used; `in_sync`: against the very reference the encoder used; `decode_us` is
    what the driver says that decoding took."""

    at_us: int
    frame_id: int
    received: int
    total: int
    in_sync: bool
    lineage: int
    decode_us: int


@dataclass(frozen=True, slots=True)
class FrameReady:
    """The frame is decoded and due: it is shown now.

    `captured_us` is in the sender's clock, `at_us` in the receiver's; in the lab and on one host they are the same."""

    at_us: int
    frame_id: int
    captured_us: int
    frame: Frame = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class FrameLost:
    """Nothing of the frame was decoded. `detail`: what the codec said against its payloads."""

    at_us: int
    frame_id: int
    reason: LossReason
    detail: str = ""

    @property
    def text(self) -> str:
        """The reason as a log has it: the codec's own words where there are any."""
        return self.detail or self.reason.value


@dataclass(frozen=True, slots=True)
class KeyFrameRequested:
    """The sender was asked for a key frame; `last_frame_id` is the newest frame that this end knows of."""

    at_us: int
    last_frame_id: int


ReceiverEvent = (
    DecodeWanted
    | PacketArrived
    | CarryWanted
    | FrameDecoded
    | FrameReady
    | FrameLost
    | KeyFrameRequested
    | DatagramRejected
)
"""All that `ReceiverSession.next_event` gives."""
