"""What the resync machines tell codec drivers to do. States are lineages (names), never pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grace_transport.lineage import NO_STATE, all_of, lineage

WINDOW_FRAMES = 64  # how far back either end remembers: two seconds at 30 fps


class StepKind(Enum):
    """How a state is made of its parent and one frame."""

    DECODE = "decode"  # motion and residual networks, over the payloads that the receiver used
    REPLAY = "replay"  # cached motion and residual of the complete frame, no network (paper B.1)


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
        return self.parent == NO_STATE


@dataclass(frozen=True, slots=True)
class Retained:
    """What may still be asked for: these states, and the payloads (or latents) from this frame on."""

    lineages: frozenset[int]
    oldest_frame_id: int


def decode_step(parent: int, frame_id: int, total: int, received: int) -> Step:
    return Step(StepKind.DECODE, frame_id, total, received, parent, lineage(parent, frame_id, total, received))


def replay_step(parent: int, frame_id: int, total: int) -> Step:
    """Replay a complete frame."""
    received = all_of(total)
    result = lineage(parent, frame_id, total, received, replayed=True)
    return Step(StepKind.REPLAY, frame_id, total, received, parent, result)
