"""What the sender session tells its driver: work for the codec, and facts for the log."""

from __future__ import annotations

from dataclasses import dataclass

from grace_codec.types import Budget
from grace_transport.resync import Step


@dataclass(frozen=True, slots=True)
class EncodeWanted:
    """Encode `frame_id` against the state named `parent` (0: a key frame), after making states as `steps` say.

    The driver answers with `on_encoded`."""

    at_us: int
    frame_id: int
    captured_us: int
    parent: int
    steps: tuple[Step, ...]
    budget: Budget


@dataclass(frozen=True, slots=True)
class FrameSkipped:
    at_us: int
    frame_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class FrameEncoded:
    """`bytes` counts payloads alone; `lineage` names the state that the complete frame leads to."""

    at_us: int
    frame_id: int
    key: bool
    bytes: int
    packets: int
    parent: int
    lineage: int


@dataclass(frozen=True, slots=True)
class PacketLeft:
    """A packet was handed to the network. `kind`: media, retransmission or padding; `bytes` with the RTP header."""

    at_us: int
    seq: int
    frame_id: int
    index: int
    bytes: int
    kind: str


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
    """Resync could not go on: the next frame is a key frame."""

    at_us: int
    frame_id: int
    reason: str
