"""The receiver's half of resync: which reference a frame is decoded against, and what the sender is told.

Owns the names of the receiver's states. Refuses to know pixels, payloads and how reports travel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grace_transport.assembler import AssembledFrame
from grace_transport.lineage import NO_STATE, all_of, lineage
from grace_transport.resync.steps import WINDOW_FRAMES, Retained, Step, decode_step, replay_step
from grace_transport.retransmission import KeyFrameRequester
from grace_transport.types import FrameReport, KeyFrameRequest

REPEATED_REPORTS = 8  # unconfirmed reports that go along with a new one
ACKNOWLEDGE_US = 100_000  # complete frames are reported no more often than this
REPEAT_US = 100_000  # without an answer and without new reports; at least the round trip


class Action(Enum):
    """What can be done with a frame."""

    DECODE = "decode"  # against the reference it was coded against, or as a key frame
    GUESS = "guess"  # against the newest own state: its reference is not here (optimistic decoding)
    CARRY = "carry"  # nothing to decode: the newest own state goes on under a new name
    WAIT = "wait"  # no state at all: a key frame is asked for


class _Kind(Enum):
    KEY_COMPLETE = "complete key frame"
    KEY_INCOMPLETE = "incomplete key frame"
    EMPTY = "nothing arrived"
    PARENT_HERE = "reference here or derivable"
    PARENT_UNKNOWN = "reference unknown"


# What to do with a frame of some kind, without and with a state to go on from.
ACTIONS: dict[_Kind, tuple[Action, Action]] = {
    _Kind.KEY_COMPLETE: (Action.DECODE, Action.DECODE),
    _Kind.KEY_INCOMPLETE: (Action.WAIT, Action.CARRY),
    _Kind.EMPTY: (Action.WAIT, Action.CARRY),
    _Kind.PARENT_HERE: (Action.WAIT, Action.DECODE),
    _Kind.PARENT_UNKNOWN: (Action.WAIT, Action.GUESS),
}


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """Run `steps` in order, then do `action` with state `parent` (0: none, a key frame).

    `in_sync`: the reference is the one that the sender used."""

    action: Action
    frame_id: int
    parent: int
    steps: tuple[Step, ...] = ()
    in_sync: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that was handled: `total` 0 if nothing of it was decoded."""

    total: int
    complete: bool
    key: bool

    @property
    def blocks(self) -> bool:
        """Whether no state before this frame can lead to a reference after it."""
        return self.key or (self.total > 0 and not self.complete)


class ReceiverResync:
    """Plans decoding and queues reports. Frames come in order, without gaps (FrameAssembler's partial mode).

    Per frame: `plan`, run its steps; then `on_decoded`, or `on_lost` where nothing was decoded (not after WAIT)."""

    def __init__(self, window_frames: int = WINDOW_FRAMES) -> None:
        self.key_frames = KeyFrameRequester()
        self._window = window_frames
        self._repeat_us = REPEAT_US
        self._states: dict[int, int] = {}  # lineage -> frame after which it is the state
        self._own: tuple[int, int] | None = None  # newest own state: frame, lineage
        self._seen: dict[int, _Seen] = {}
        self._newest: int | None = None
        self._synced: int | None = None  # newest frame whose reference was the sender's
        self._open: DecodePlan | None = None
        self._unconfirmed: dict[int, FrameReport] = {}
        self._new: set[int] = set()  # frames whose report never left
        self._new_us: int | None = None
        self._repeat_at_us: int | None = None
        self._acknowledge: FrameReport | None = None
        self._acknowledged_us: int | None = None

    @property
    def has_state(self) -> bool:
        return self._own is not None

    def set_rtt(self, rtt_us: int) -> None:
        self._repeat_us = max(REPEAT_US, rtt_us)
        self.key_frames.set_rtt(rtt_us)

    def plan(self, frame: AssembledFrame, now_us: int) -> DecodePlan:
        """How to decode `frame`. Raises ValueError for frames out of order, or if the one before was not concluded."""
        if self._open is not None:
            raise ValueError(
                f"frame {self._open.frame_id} was neither decoded nor lost, {frame.frame_id} cannot follow"
            )
        if self._newest is not None and frame.frame_id <= self._newest:
            raise ValueError(f"frame {frame.frame_id} after {self._newest}")
        if self._newest is not None and frame.frame_id > self._newest + 1:
            self.reset()  # nothing can be said about what happened in between
        self._newest = frame.frame_id
        plan = self._make_plan(frame)
        if plan.action is Action.WAIT:
            self.key_frames.ask(frame.frame_id, now_us)
        else:
            self._seen[frame.frame_id] = _Seen(frame.total, False, frame.key)
            self._open = plan
        return plan

    def on_decoded(self, frame_id: int, received: int, now_us: int) -> int:
        """The planned frame was decoded from payloads `received`; returns the name of the state reached.

        Raises ValueError without a plan to decode, or for no payload at all (that is `on_lost`)."""
        plan = self._conclude(frame_id)
        seen = self._seen[frame_id]
        if plan.action is Action.CARRY or not 0 < received <= all_of(seen.total):
            raise ValueError(f"frame {frame_id}: payloads {received:#x} of {seen.total} after {plan.action.value}")
        complete = received == all_of(seen.total)
        self._seen[frame_id] = _Seen(seen.total, complete, seen.key)
        name = lineage(plan.parent, frame_id, seen.total, received)
        report = FrameReport(frame_id, name, seen.total, received)
        self._adopt(plan, name)
        if plan.in_sync:
            self._synced = frame_id
            self._confirm()
        if plan.in_sync and complete:
            self.key_frames.satisfied()
            self._acknowledge = report
        else:
            self._queue(report, now_us)
        self._prune()
        return name

    def on_lost(self, frame_id: int, now_us: int) -> Step | None:
        """Nothing of the planned frame was decoded: the newest own state goes on under the name that the step gives it.

        None if there is no such state; a key frame is asked for then. Raises ValueError without a plan."""
        plan = self._conclude(frame_id)
        if self._own is None:
            del self._seen[frame_id]
            self.key_frames.ask(frame_id, now_us)
            return None
        self._seen[frame_id] = _Seen(0, False, False)
        step = decode_step(self._own[1], frame_id, 0, 0)
        self._adopt(plan, step.result)
        self._queue(FrameReport(frame_id, step.result, 0, 0), now_us)
        self._prune()
        return step

    def reset(self) -> None:
        """The stream is another one now: forget all states. The next frame that is no key frame asks for one."""
        self._states.clear()
        self._own = self._newest = self._synced = self._open = None
        self._seen.clear()
        self._confirm()
        self._acknowledge = None

    def get_timer(self) -> int | None:
        """When `reports_to_send` has something to say."""
        times = [self._new_us, self._repeat_at_us, self._acknowledge_at_us(), self.key_frames.get_timer()]
        return min((at_us for at_us in times if at_us is not None), default=None)

    def reports_to_send(self, now_us: int) -> tuple[FrameReport | KeyFrameRequest, ...]:
        """The items of the next feedback packet, or none if nothing is due."""
        frame_ids = self._due_reports(now_us)
        items: list[FrameReport | KeyFrameRequest] = [self._unconfirmed[frame_id] for frame_id in frame_ids]
        acknowledge_us = self._acknowledge_at_us()
        if self._acknowledge is not None and (items or (acknowledge_us is not None and acknowledge_us <= now_us)):
            items.append(self._acknowledge)
            self._acknowledge, self._acknowledged_us = None, now_us
        request = self.key_frames.request_to_send(now_us)
        return (*items, request) if request is not None else tuple(items)

    def retained(self) -> Retained:
        """What the driver must keep. Everything else may go."""
        oldest = min(self._states.values(), default=self._newest if self._newest is not None else -1) + 1
        names = frozenset(self._states)
        if self._open is not None:
            names |= {step.result for step in self._open.steps}
        return Retained(names, oldest)

    # -- references

    def _make_plan(self, frame: AssembledFrame) -> DecodePlan:
        kind, steps = self._classify(frame)
        action = ACTIONS[kind][self._own is not None]
        own = self._own[1] if self._own is not None else NO_STATE
        if action is Action.DECODE:
            return DecodePlan(action, frame.frame_id, frame.parent, steps, True)
        return DecodePlan(action, frame.frame_id, own)

    def _classify(self, frame: AssembledFrame) -> tuple[_Kind, tuple[Step, ...]]:
        if frame.total == 0 or not frame.payloads:
            return _Kind.EMPTY, ()
        if frame.key:
            return (_Kind.KEY_COMPLETE if frame.complete else _Kind.KEY_INCOMPLETE), ()
        steps = self._derivation(frame)
        return (_Kind.PARENT_UNKNOWN, ()) if steps is None else (_Kind.PARENT_HERE, steps)

    def _derivation(self, frame: AssembledFrame) -> tuple[Step, ...] | None:
        """Steps to the frame's parent: none if it is here, else replays of complete frames on top of a state.

        Tried from the newest state back to the last frame that cannot be replayed across: an incomplete one, or a key
        frame. Frames of which nothing arrived are passed over: the sender may have done so. The names decide."""
        if frame.parent in self._states:
            return ()
        for base_frame in range(frame.frame_id - 1, frame.frame_id - 1 - self._window, -1):
            for name, after in self._states.items():
                if after == base_frame:
                    steps = self._replays(name, base_frame, frame.frame_id)
                    if steps and steps[-1].result == frame.parent:
                        return steps
            seen = self._seen.get(base_frame)
            if seen is None or seen.blocks:
                return None
        return None

    def _replays(self, name: int, base_frame: int, frame_id: int) -> tuple[Step, ...]:
        steps = []
        for between in range(base_frame + 1, frame_id):
            if self._seen[between].total:
                steps.append(replay_step(name, between, self._seen[between].total))
                name = steps[-1].result
        return tuple(steps)

    def _conclude(self, frame_id: int) -> DecodePlan:
        plan, self._open = self._open, None
        if plan is None or plan.frame_id != frame_id:
            raise ValueError(f"frame {frame_id} was not planned")
        return plan

    def _adopt(self, plan: DecodePlan, name: int) -> None:
        for step in plan.steps:
            self._states[step.result] = step.frame_id
        self._states[name] = plan.frame_id
        self._own = (plan.frame_id, name)

    def _prune(self) -> None:
        """States before a frame that blocks lead nowhere, and those before a frame in sync are not used again."""
        assert self._own is not None
        newest = self._own[0]
        floor = newest - self._window + 1
        for frame_id in range(newest, floor, -1):
            seen = self._seen.get(frame_id)
            if seen is None or seen.blocks or frame_id == self._synced:
                floor = frame_id
                break
        self._states = {name: after for name, after in self._states.items() if after >= floor}
        self._seen = {frame_id: seen for frame_id, seen in self._seen.items() if frame_id >= floor}

    # -- reports

    def _queue(self, report: FrameReport, now_us: int) -> None:
        """Of complete frames that were only decoded out of sync the newest says it all: the sender infers the rest."""
        for frame_id in [old for old, queued in self._unconfirmed.items() if _is_whole(queued)]:
            del self._unconfirmed[frame_id]
            self._new.discard(frame_id)
        self._unconfirmed[report.frame_id] = report
        self._new.add(report.frame_id)
        self._new_us = now_us if self._new_us is None else self._new_us
        oldest = report.frame_id - self._window
        for frame_id in [old for old in self._unconfirmed if old <= oldest]:
            del self._unconfirmed[frame_id]
            self._new.discard(frame_id)

    def _confirm(self) -> None:
        """A frame in sync shows that the sender knows of everything before it."""
        self._unconfirmed.clear()
        self._new.clear()
        self._new_us = self._repeat_at_us = None

    def _due_reports(self, now_us: int) -> list[int]:
        repeat = self._repeat_at_us is not None and self._repeat_at_us <= now_us
        if not repeat and self._new_us is None:
            return []
        frame_ids = sorted(self._unconfirmed)
        if len(frame_ids) > REPEATED_REPORTS and not repeat:
            frame_ids = sorted({*frame_ids[-REPEATED_REPORTS:], *self._new})
        self._new.clear()
        self._new_us = None
        if len(frame_ids) == len(self._unconfirmed) or self._repeat_at_us is None:
            self._repeat_at_us = now_us + self._repeat_us
        return frame_ids

    def _acknowledge_at_us(self) -> int | None:
        if self._acknowledge is None:
            return None
        return 0 if self._acknowledged_us is None else self._acknowledged_us + ACKNOWLEDGE_US


def _is_whole(report: FrameReport) -> bool:
    return report.total > 0 and report.received == all_of(report.total)
