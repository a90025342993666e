"""What the sender session tells its driver: work for the codec, and facts for the log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grace_codec.types import Budget
from grace_transport.machine import DatagramRejected
from grace_transport.resync import Step


class SkipReason(Enum):
    """Why a captured frame was not sent. The values are the words in a log."""

    SEND_QUEUE = "send queue too long"
    """The pacer still holds more than a frame may wait for: this frame would be late when it arrives."""
    ENCODER_TOO_SLOW = "encoder too slow"
    """A newer frame came while this one waited for the encoder."""
    ENCODING_FAILED = "encoding failed"


class KeyFrameReason(Enum):
    """Why a key frame had to be sent. The values are the words in a log.

    All but the last are verdicts of resync (`grace_transport.resync.Verdict`): no common reference is left."""

    FORGOTTEN = "forgotten"
    KEY_LOST = "key_lost"
    MIRROR_LOST = "mirror_lost"
    KEY_REQUESTED = "key_requested"
    NEW_FRAME_SIZE = "new frame size"


class PacketKind(Enum):
    """What a packet carries. The values are the words in a log."""

    MEDIA = "media"
    RETRANSMISSION = "retransmission"
    PADDING = "padding"


@dataclass(frozen=True, slots=True)
class EncodeWanted:
    """Encode `frame_id` against the state named `parent` (0: a key frame), after making states as `steps` say.

    The driver answers with `on_encoded` or `on_encode_failed`."""

    at_us: int
    frame_id: int
    captured_us: int
    parent: int
    steps: tuple[Step, ...]
    budget: Budget


@dataclass(frozen=True, slots=True)
class FrameSkipped:
    """A captured frame is not sent. `detail`: the error of an encoding that failed."""

    at_us: int
    frame_id: int
    reason: SkipReason
    detail: str = ""

    @property
    def text(self) -> str:
        """The reason as a log has it."""
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


@dataclass(frozen=True, slots=True)
class FrameEncoded:
    """`bytes` counts payloads alone; `lineage` names the state that the complete frame leads to; `encode_us` is what
    the driver says that encoding took."""

    at_us: int
    frame_id: int
    key: bool
    bytes: int
    packets: int
    parent: int
    lineage: int
    encode_us: int


@dataclass(frozen=True, slots=True)
class PacketLeft:
    """A packet was handed to the network. `seq` is unwrapped; `bytes` are with the RTP header, without SRTP's tag."""

    at_us: int
    seq: int
    frame_id: int
    index: int
    bytes: int
    kind: PacketKind


@dataclass(frozen=True, slots=True)
class RateChanged:
    """`state` is the controller's own word for what it is doing."""

    at_us: int
    bitrate_bps: int
    pacing_bps: int
    rtt_us: int
    state: str


@dataclass(frozen=True, slots=True)
class Resynced:
    """`frame_id` was encoded against a reference re-derived from what the receiver reported about `base_frame_id`."""

    at_us: int
    frame_id: int
    base_frame_id: int
    decoded: int
    replayed: int


@dataclass(frozen=True, slots=True)
class KeyFrameForced:
    """The next frame is a key frame, which costs many times a P-frame."""

    at_us: int
    frame_id: int
    reason: KeyFrameReason


SenderEvent = (
    EncodeWanted | FrameSkipped | FrameEncoded | PacketLeft | RateChanged | Resynced | KeyFrameForced | DatagramRejected
)
"""All that `SenderSession.next_event` gives."""
