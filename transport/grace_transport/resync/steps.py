"""The steps by which codec drivers make states for the resync machines. States are names (lineages), never pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grace_transport.lineage import NO_STATE, all_of, lineage

WINDOW_FRAMES = 64  # history that either end keeps: two seconds at 30 fps


class StepKind(Enum):
    """The ways in which a state follows from its parent and one frame."""

    DECODE = "decode"  # entropy decoding, motion and residual decoders, over the payloads that the receiver used
    REPLAY = "replay"  # cached motion and residual of the complete frame are applied; nothing is decoded (paper B.1)


@dataclass(frozen=True, slots=True)
class Step:
    """Make state `result` of state `parent` with payloads `received` (bitmap) of `total` of frame `frame_id`.

    `total` 0: nothing of the frame arrived, `result` is another name for `parent`."""

    kind: StepKind
    frame_id: int
    total: int
    received: int
    parent: int
    result: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Encode the next frame against `parent` (0: as a key frame), a state that exists after `steps`, in order."""

    parent: int
    steps: tuple[Step, ...] = ()

    @property
    def key(self) -> bool:
        """Whether the plan is a key frame."""
        return self.parent == NO_STATE


@dataclass(frozen=True, slots=True)
class Retained:
    """Needed by later plans: these states, and the payloads (or latents) of frames from `oldest_frame_id` on."""

    lineages: frozenset[int]
    oldest_frame_id: int


def decode_step(parent: int, frame_id: int, total: int, received: int) -> Step:
    """Decode payloads `received` (bitmap) of `total` of a frame on top of state `parent`."""
    return Step(StepKind.DECODE, frame_id, total, received, parent, lineage(parent, frame_id, total, received))


def replay_step(parent: int, frame_id: int, total: int) -> Step:
    """Replay a complete frame on top of state `parent`."""
    received = all_of(total)
    result = lineage(parent, frame_id, total, received, replayed=True)
    return Step(StepKind.REPLAY, frame_id, total, received, parent, result)
