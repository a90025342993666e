"""The receiver's half of resync: it chooses the reference of each frame, and reports the state that it reaches.

A packet names the state that its frame was coded against. If that state is here, or follows from one that is by replays
of complete frames, decoding is in sync. Otherwise the frame is decoded against the newest own state (the paper's
optimistic decoding): motion and residual of a good frame on a reference that is a little off still give a good picture,
and the report of it lets the sender code the next frames against what is really here (`resync.sender`).

Owns the names of the receiver's states. Refuses to know pixels, payloads and how reports travel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grace_transport.assembler import AssembledFrame
from grace_transport.lineage import NO_STATE, all_of, lineage
from grace_transport.resync.steps import WINDOW_FRAMES, Retained, Step, decode_step, replay_step
from grace_transport.retransmission import KeyFrameRequester
from grace_transport.types import FrameReport, Pli

REPEATED_REPORTS = 8  # unconfirmed reports that are repeated with each new one
ACKNOWLEDGE_US = 100_000  # the shortest time between two reports of frames that are complete and in sync
NEVER = -(1 << 62)  # before any frame id; ids can be negative where the first frames came out of order
REPEAT_US = 100_000  # unconfirmed reports are repeated after this silence, or the round trip if that is longer


class Action(Enum):
    """The ways to handle a frame."""

    DECODE = "decode"  # decode against the reference that the sender used, or as a key frame
    GUESS = "guess"  # that reference is not here: decode against the newest own state (optimistic decoding)
    CARRY = "carry"  # nothing can be decoded: the newest own state gets a new name
    WAIT = "wait"  # there is no state at all: ask for a key frame


class _Kind(Enum):
    """A frame, by what arrived of it and what is known of its reference."""

    KEY_COMPLETE = "complete key frame"
    KEY_INCOMPLETE = "incomplete key frame"
    EMPTY = "nothing arrived"
    PARENT_HERE = "reference here or derivable"
    PARENT_UNKNOWN = "reference unknown"


# The action for a frame of each kind: without an own state, and with one.
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
    total: int
    parent: int
    steps: tuple[Step, ...] = ()
    in_sync: bool = False


@dataclass(slots=True)
class _Seen:
    """A frame that was handled. `total` 0: nothing of it arrived. `name`: of the own state after it."""

    total: int
    key: bool
    complete: bool = False
    name: int = NO_STATE


class ReceiverResync:
    """Plans decoding and queues reports. Frames come in order (FrameAssembler's partial mode); one that does not
    follow the one before starts a new stream.

    Per frame: `plan`, run its steps; then `on_decoded`, or `on_lost` where nothing was decoded (not after WAIT)."""

    def __init__(self, window_frames: int = WINDOW_FRAMES) -> None:
        self.key_frames = KeyFrameRequester()
        self._window = window_frames
        self._repeat_us = REPEAT_US
        self._states: dict[int, int] = {}  # lineage -> frame after which it is the state
        self._own: tuple[int, int] | None = None  # newest own state: frame, lineage
        self._seen: dict[int, _Seen] = {}  # in order
        self._replayed: dict[int, int] = {}  # own state's frame -> name after replaying all later frames on it
        self._newest: int | None = None
        self._base = NEVER  # newest frame after which the sender is known to know the own state
        self._open: DecodePlan | None = None
        self._unconfirmed: dict[int, FrameReport] = {}
        self._new: set[int] = set()  # frames whose report never left
        self._new_us: int | None = None
        self._repeat_at_us: int | None = None
        self._acknowledge: FrameReport | None = None
        self._acknowledged_us: int | None = None

    @property
    def has_state(self) -> bool:
        """Whether anything was decoded since the stream began."""
        return self._own is not None

    def set_rtt(self, rtt_us: int) -> None:
        """The round trip time: neither reports nor key frame requests are repeated faster."""
        self._repeat_us = max(REPEAT_US, rtt_us)
        self.key_frames.set_rtt(rtt_us)

    def plan(self, frame: AssembledFrame, now_us: int) -> DecodePlan:
        """Plan the decoding of `frame`. Raises ValueError if the one before was not concluded."""
        if self._open is not None:
            raise ValueError(
                f"frame {self._open.frame_id} was neither decoded nor lost, {frame.frame_id} cannot follow"
            )
        if self._newest is not None and frame.frame_id <= self._newest:
            self.reset()
        self._newest = frame.frame_id
        plan = self._make_plan(frame)
        if plan.action is Action.WAIT:
            self.key_frames.ask(frame.frame_id, now_us)
        else:
            self._seen[frame.frame_id] = _Seen(frame.total, frame.key)
            self._open = plan
        return plan

    def on_decoded(self, frame_id: int, received: int, now_us: int) -> int:
        """The planned frame was decoded from payloads `received`; returns the name of the state reached.

        Raises ValueError without a plan to decode, or for no payload at all (that is `on_lost`)."""
        plan = self._conclude(frame_id)
        if plan.action is Action.CARRY or not 0 < received <= all_of(plan.total):
            raise ValueError(f"frame {frame_id}: payloads {received:#x} of {plan.total} after {plan.action.value}")
        name = lineage(plan.parent, frame_id, plan.total, received)
        if self._newest != frame_id:  # the stream was reset meanwhile: nobody will ask for this state
            return name
        seen = self._seen[frame_id]
        seen.complete = received == all_of(seen.total)
        report = FrameReport(frame_id, name, seen.total, received)
        self._adopt(plan, name)
        if plan.in_sync:
            self._confirm(frame_id)
        if plan.in_sync and seen.complete:
            self.key_frames.satisfied(frame_id)
            self._acknowledge = report
        else:
            self._queue(report, now_us)
        self._prune()
        return name

    def on_lost(self, frame_id: int, now_us: int) -> Step | None:
        """Nothing of the planned frame was decoded: the newest own state goes on under the name that the step gives it.

        None if there is no such state; a key frame is asked for then. Raises ValueError without a plan."""
        plan = self._conclude(frame_id)
        if self._own is None or self._newest != frame_id:
            self._seen.pop(frame_id, None)
            self.key_frames.ask(frame_id, now_us)
            return None
        step = decode_step(self._own[1], frame_id, 0, 0)
        self._adopt(plan, step.result)
        self._queue(FrameReport(frame_id, step.result, 0, 0), now_us)
        self._prune()
        return step

    def reset(self) -> None:
        """Another stream begins: forget all states. A first frame that is no key frame will ask for one.

        A frame that is being decoded is still to be concluded, to no effect."""
        self.key_frames.reset()
        self._states.clear()
        self._own = self._newest = self._acknowledge = None
        self._seen.clear()
        self._replayed.clear()
        self._unconfirmed.clear()
        self._new.clear()
        self._new_us = self._repeat_at_us = None
        self._base = NEVER

    def get_timer(self) -> int | None:
        """When `reports_to_send` will have something to send; None while nothing is planned."""
        times = [self._new_us, self._repeat_at_us, self._acknowledge_at_us(), self.key_frames.get_timer()]
        return min((at_us for at_us in times if at_us is not None), default=None)

    def reports_to_send(self, now_us: int) -> tuple[FrameReport | Pli, ...]:
        """The items of the next feedback packet, or none if nothing is due."""
        frame_ids = self._due_reports(now_us)
        items: list[FrameReport | Pli] = [self._unconfirmed[frame_id] for frame_id in frame_ids]
        acknowledge_us = self._acknowledge_at_us()
        if self._acknowledge is not None and (items or (acknowledge_us is not None and acknowledge_us <= now_us)):
            items.append(self._acknowledge)
            self._acknowledge, self._acknowledged_us = None, now_us
        request = self.key_frames.request_to_send(now_us)
        return (*items, request) if request is not None else tuple(items)

    def retained(self) -> Retained:
        """The states and frames that the codec driver must keep; it may drop all others."""
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
            return DecodePlan(action, frame.frame_id, frame.total, frame.parent, steps, True)
        return DecodePlan(action, frame.frame_id, frame.total, own)

    def _classify(self, frame: AssembledFrame) -> tuple[_Kind, tuple[Step, ...]]:
        if frame.total == 0 or not frame.payloads:
            return _Kind.EMPTY, ()
        if frame.key:
            return (_Kind.KEY_COMPLETE if frame.complete else _Kind.KEY_INCOMPLETE), ()
        steps = self._derivation(frame)
        return (_Kind.PARENT_UNKNOWN, ()) if steps is None else (_Kind.PARENT_HERE, steps)

    def _derivation(self, frame: AssembledFrame) -> tuple[Step, ...] | None:
        """Steps to the frame's parent: none if it is here, else replays of complete frames on top of an own state.

        Names are integers: they tell what the sender rebased onto even where a frame to be replayed is incomplete."""
        if frame.parent in self._states:
            return ()
        for base_frame, name in self._replayed.items():
            if name == frame.parent:
                self._confirm(base_frame)
                later = [after for after, seen in self._seen.items() if base_frame < after and seen.total]
                if all(self._seen[after].complete for after in later):
                    return self._replays(base_frame, later)
                return None
        return None

    def _replays(self, base_frame: int, later: list[int]) -> tuple[Step, ...]:
        steps = []
        name = self._seen[base_frame].name
        for frame_id in later:
            steps.append(replay_step(name, frame_id, self._seen[frame_id].total))
            name = steps[-1].result
        return tuple(steps)

    def _follow(self, frame_id: int, name: int) -> None:
        """Note the names to which a rebase onto each own state would lead, with every later frame taken as complete.

        Frames of which nothing arrived are passed over: the sender may have done so, and if not, no name will fit.
        Nothing is replayed across a key frame."""
        seen = self._seen[frame_id]
        if seen.key:
            self._replayed.clear()
        elif seen.total:
            received = all_of(seen.total)
            for base_frame, before in self._replayed.items():
                self._replayed[base_frame] = lineage(before, frame_id, seen.total, received, replayed=True)
        self._replayed[frame_id] = name

    def _conclude(self, frame_id: int) -> DecodePlan:
        plan, self._open = self._open, None
        if plan is None or plan.frame_id != frame_id:
            raise ValueError(f"frame {frame_id} was not planned")
        return plan

    def _adopt(self, plan: DecodePlan, name: int) -> None:
        self._states[name] = plan.frame_id
        self._seen[plan.frame_id].name = name
        self._follow(plan.frame_id, name)
        self._own = (plan.frame_id, name)

    def _prune(self) -> None:
        """Forget states that no reference can follow from any more.

        The sender rebases on nothing older than the newest state that it knows of, and nothing is replayed across a
        key frame or a frame that is incomplete here."""
        assert self._own is not None
        floor = max(self._base, self._own[0] - self._window + 1)
        for known in (self._seen, self._replayed):
            for frame_id in [old for old in known if old < floor]:
                del known[frame_id]
        hidden = [after for after, seen in self._seen.items() if seen.key or (seen.total and not seen.complete)]
        floor = max([floor, *hidden])
        self._states = {name: after for name, after in self._states.items() if after >= floor}

    # -- reports

    def _queue(self, report: FrameReport, now_us: int) -> None:
        """Queue a report. Of frames that are complete but out of sync only the newest is kept: it implies the rest."""
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

    def _confirm(self, base_frame: int) -> None:
        """The sender used a reference that it can only know if it has the reports of all frames up to `base_frame`."""
        self._base = max(self._base, base_frame)
        for frame_id in [old for old in self._unconfirmed if old <= base_frame]:
            del self._unconfirmed[frame_id]
            self._new.discard(frame_id)
        if not self._new:
            self._new_us = None
        if not self._unconfirmed:
            self._repeat_at_us = None

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
