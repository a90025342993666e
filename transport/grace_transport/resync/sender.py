"""The sender's half of resync: it encodes as if everything arrived, and rebases when reports say otherwise.

**Optimistic encoding** (paper 4.2). A sender that waited for reports would code every frame against a reference that is
a round trip old. This one codes frame f against C(f-1), the state that the receiver has if all packets arrived: while
nothing is lost that is exact and costs nothing. If the receiver decoded frame b from a part of its packets, it has
another state R(b), and everything that was coded against C since then drifts. The report of b ends that: the sender
derives R(b), brings it up to date with the frames after b, and codes the next frame against the result P.

**Why any base works.** A reference need not be a state that either end ever had; it must be one that both can compute.
R(b) is a function of its parent state, the coded frame and the bitmap of used payloads, and the sender has all three
(DECODE). P follows from R(b) by frames b+1 to the last, each as if complete, from cached motion and residual (REPLAY);
the receiver has R(b) by definition and can do the same replays. So the base may be any frame that was reported, however
many frames are in flight. The newest one that shows a loss is best: few frames are left to replay, and no
complete one needs decoding.

**What a report proves.** States are named by their history (`grace_transport.lineage`). For each frame in flight the
sender knows the few states that the receiver can be in before it; a report (frame, bitmap, name) is explained if the
name follows from one of them. Then the receiver's whole history is that one, up to a collision of 32-bit checksums, and
the candidates of all later frames shrink. If none fits, the report of an earlier loss is missing: the receiver repeats
it until a frame shows that the sender knows of it, so the sender waits.

Owns the mirror of the receiver's states, by name. Refuses to know pixels, payloads and how reports travel."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum

from grace_transport.lineage import NO_STATE, all_of, lineage
from grace_transport.resync.steps import WINDOW_FRAMES, Plan, Retained, Step, StepKind, replay_step
from grace_transport.types import FrameReport, Pli
from grace_transport.wire.media import MAX_TOTAL

MIRROR_LOST_US = 500_000  # after this time (or three round trips) an unexplained report leads to a key frame
KEY_INTERVAL_US = 100_000  # the shortest time between two key frames that are coded on request
MAX_EVENTS = 64  # events that wait to be read; older ones are dropped

_Recipe = tuple[int, int, int, int]  # how to DECODE a state: parent, frame id, total, received
_UNKNOWN: _Recipe = (NO_STATE, -1, 0, 0)


class SenderState(Enum):
    """The reference of the next frame."""

    OPTIMISTIC = "optimistic"  # the state after the last frame, as if all of it arrived
    REBASE = "rebase"  # a reported state of the receiver's, re-derived and replayed up to the last frame
    KEY = "key"  # none: the next frame is a key frame


class Verdict(Enum):
    """The meaning of a report, a request or an encoded frame for the machine."""

    ACKNOWLEDGED = "acknowledged"  # the frame is complete and in sync: older history is not needed any more
    EXPECTED = "expected"  # the last rebase counts on this report, or it is about a number that was passed over
    PARTIAL = "partial"  # the frame is incomplete: the receiver's state is not the one that was assumed
    DIVERGED = "diverged"  # the frame is complete, but was decoded against another reference than it was coded against
    UNEXPLAINED = "unexplained"  # an earlier report is missing: wait for the receiver to repeat it
    STALE = "stale"  # newer reports have said more
    IMPOSSIBLE = "impossible"  # no such frame was sent, or none with so many payloads
    FORGOTTEN = "forgotten"  # the frame is incomplete, and too old for its state to be re-derived
    KEY_LOST = "key_lost"  # a key frame did not arrive whole
    MIRROR_LOST = "mirror_lost"  # a report stayed unexplained for too long
    KEY_REQUESTED = "key_requested"  # the receiver sent a PLI
    REBASED = "rebased"  # the next frame was encoded as the plan said
    KEY_ENCODED = "key_encoded"  # a key frame was encoded


_OPTIMISTIC, _REBASE, _KEY = SenderState.OPTIMISTIC, SenderState.REBASE, SenderState.KEY

# The next state for (state, verdict). Pairs that are not listed change nothing: in KEY, for example, only a key frame
# that was encoded does.
TRANSITIONS: dict[tuple[SenderState, Verdict], SenderState] = {
    (_OPTIMISTIC, Verdict.PARTIAL): _REBASE,
    (_OPTIMISTIC, Verdict.DIVERGED): _REBASE,
    (_OPTIMISTIC, Verdict.FORGOTTEN): _KEY,
    (_OPTIMISTIC, Verdict.KEY_LOST): _KEY,
    (_OPTIMISTIC, Verdict.MIRROR_LOST): _KEY,
    (_OPTIMISTIC, Verdict.KEY_REQUESTED): _KEY,
    (_REBASE, Verdict.ACKNOWLEDGED): _OPTIMISTIC,
    (_REBASE, Verdict.REBASED): _OPTIMISTIC,
    (_REBASE, Verdict.KEY_ENCODED): _OPTIMISTIC,
    (_REBASE, Verdict.FORGOTTEN): _KEY,
    (_REBASE, Verdict.KEY_LOST): _KEY,
    (_REBASE, Verdict.MIRROR_LOST): _KEY,
    (_REBASE, Verdict.KEY_REQUESTED): _KEY,
    (_KEY, Verdict.KEY_ENCODED): _OPTIMISTIC,
}


@dataclass(frozen=True, slots=True)
class Rebased:
    """An event: frame `frame_id` was coded against the receiver's state after `base_frame_id`, brought up to date.

    decoded, replayed: how many DECODE and REPLAY steps that took."""

    base_frame_id: int
    frame_id: int
    decoded: int
    replayed: int


@dataclass(frozen=True, slots=True)
class KeyFrameForced:
    """An event: resync cannot go on, the next frame is a key frame, which costs many times as much as a P-frame.

    frame_id: the frame that the reason is about."""

    reason: Verdict
    frame_id: int


@dataclass(slots=True)
class _Sent:
    """A frame in flight. `possible`: names of the states that the receiver can be in after it, as far as is known.

    `total` 0: a number that was passed over. To the receiver it looks like a frame that was lost."""

    parent: int
    total: int
    key: bool
    complete: int  # the name of the state if all of the frame arrives and its parent is there
    possible: tuple[int, ...] = ()


class SenderResync:
    """Plans references and follows reports. Frames are numbered in coding order, and numbers may be passed over.

    Per frame: `plan_next`, run its steps, encode, `on_encoded`. Reports may come at any time between."""

    def __init__(self, window_frames: int = WINDOW_FRAMES, mirror_lost_us: int = MIRROR_LOST_US) -> None:
        self.state = SenderState.KEY
        self.verdicts: Counter[Verdict] = Counter()
        self._window = window_frames
        self._mirror_lost_us = mirror_lost_us
        self._rtt_us = 0
        self._last: int | None = None  # newest encoded frame
        self._frames: dict[int, _Sent] = {}
        self._held: set[int] = set()  # states that the codec driver has
        self._recipes: dict[int, _Recipe] = {}  # how to make a state that the driver may not have
        self._base = -1  # newest frame after which the receiver's state is known; -1 and NO_STATE before
        self._base_lineage = NO_STATE
        self._rebased_at = 0  # the first frame that was coded after `_base` was known
        self._key_frame: int | None = None
        self._key_us = 0
        self._unexplained: dict[int, tuple[FrameReport, int]] = {}  # by frame: report, since when
        self._given = Plan(NO_STATE)
        self._given_base: int | None = None  # the base that the given plan rebases onto
        self._events: deque[Rebased | KeyFrameForced] = deque(maxlen=MAX_EVENTS)

    def set_rtt(self, rtt_us: int) -> None:
        """The round trip time, by which waiting for reports and between key frames is measured."""
        self._rtt_us = rtt_us

    def plan_next(self, now_us: int) -> Plan:
        """The reference for the next frame, and the steps that make it. It may be asked for repeatedly."""
        if any(now_us - since_us > self._patience_us() for _, since_us in self._unexplained.values()):
            self._enter(Verdict.MIRROR_LOST, min(self._unexplained))
        self._given = self._make_plan()
        self._given_base = self._base if self.state is SenderState.REBASE else None
        return self._given

    def on_encoded(self, frame_id: int, parent: int, total: int, key: bool, now_us: int) -> int:
        """The next frame was encoded against `parent`, in `total` payloads. Returns the state's name if all arrive.

        A key frame may be encoded whatever the plan said. Raises ValueError if the caller departs from the plan."""
        self._check(frame_id, parent, total, key)
        steps = () if key else self._given.steps
        self._held.update(step.result for step in steps)
        complete = lineage(parent, frame_id, total, all_of(total))
        self._held.add(complete)
        self._pass_over(frame_id)
        self._frames[frame_id] = _Sent(parent, total, key, complete)
        self._foresee(frame_id)
        self._last = frame_id
        if key:
            self._on_key(frame_id, now_us)
        else:
            self._on_rebased(frame_id, steps)
        self._given, self._given_base = Plan(complete), None
        self._prune()
        return complete

    def on_report(self, report: FrameReport, now_us: int) -> Verdict:
        """The receiver says from what it decoded a frame. Reports may be lost, late, repeated or wrong: none raises."""
        verdict = self._judge(report, now_us)
        if verdict is Verdict.UNEXPLAINED:
            since_us = self._unexplained.get(report.frame_id, (report, now_us))[1]
            self._unexplained[report.frame_id] = (report, since_us)
        self._enter(verdict, report.frame_id)
        if verdict in {Verdict.ACKNOWLEDGED, Verdict.EXPECTED, Verdict.PARTIAL, Verdict.DIVERGED}:
            self._explain(now_us)
        return verdict

    def on_pli(self, pli: Pli, now_us: int) -> None:
        """The next frame will be a key frame, unless one is on its way that the receiver cannot know of yet."""
        if not self._key_on_its_way(now_us, known=pli.last_frame_id >= (self._key_frame or 0)):
            self._enter(Verdict.KEY_REQUESTED, pli.last_frame_id)

    def retained(self) -> Retained:
        """The states and frames that the codec driver must keep; it may drop all others."""
        steps = self._given.steps
        plan = {self._given.parent, *(step.result for step in steps), *(step.parent for step in steps[:1])}
        return Retained(frozenset((self._held | plan) - {NO_STATE}), self._oldest_needed())

    def next_event(self) -> Rebased | KeyFrameForced | None:
        """The oldest event that was not read yet, or None."""
        return self._events.popleft() if self._events else None

    # -- plans

    def _make_plan(self) -> Plan:
        if self.state is SenderState.KEY or self._last is None:
            return Plan(NO_STATE)
        if self.state is SenderState.OPTIMISTIC:
            return Plan(self._frames[self._last].complete)
        steps = self._derivation(self._base_lineage)
        later = range(self._base + 1, self._last + 1)
        if steps is None or any(frame_id not in self._frames for frame_id in later):
            self._enter(Verdict.FORGOTTEN, self._base)
            return Plan(NO_STATE)
        parent = self._base_lineage
        for frame_id in later:
            if self._frames[frame_id].total:
                steps.append(replay_step(parent, frame_id, self._frames[frame_id].total))
                parent = steps[-1].result
        return Plan(parent, tuple(steps))

    def _derivation(self, name: int) -> list[Step] | None:
        """Steps from held states to `name`, or None if its roots or frames were forgotten."""
        steps: list[Step] = []
        while name not in self._held:
            parent, frame_id, total, received = self._recipes.get(name, _UNKNOWN)
            if frame_id not in self._frames:
                return None
            steps.append(Step(StepKind.DECODE, frame_id, total, received, parent, name))
            name = parent
        return steps[::-1]

    # -- frames that were sent

    def _check(self, frame_id: int, parent: int, total: int, key: bool) -> None:
        if self._last is not None and frame_id <= self._last:
            raise ValueError(f"frame {frame_id} after {self._last}")
        if not 1 <= total <= MAX_TOTAL:
            raise ValueError(f"a frame has 1 to {MAX_TOTAL} payloads, not {total}")
        if key != (parent == NO_STATE) or (not key and parent != self._given.parent):
            raise ValueError(f"frame {frame_id} was to be coded against {self._given.parent:#x}, not {parent:#x}")

    def _pass_over(self, frame_id: int) -> None:
        """Note the numbers between the last frame and this one, as far back as the window, as never sent."""
        first = frame_id if self._last is None else max(self._last + 1, frame_id - self._window)
        for between in range(first, frame_id):
            self._frames[between] = _Sent(NO_STATE, 0, False, NO_STATE)
            self._foresee(between)

    def _on_key(self, frame_id: int, now_us: int) -> None:
        """The receiver's state after a key frame does not depend on anything before it."""
        self._base, self._base_lineage = frame_id - 1, NO_STATE
        self._rebased_at = self._key_frame = frame_id
        self._key_us = now_us
        self._unexplained.clear()
        self._enter(Verdict.KEY_ENCODED, frame_id)

    def _on_rebased(self, frame_id: int, steps: tuple[Step, ...]) -> None:
        """The frame is the rebase that was wanted, unless a newer report came while it was coded."""
        if self.state is not SenderState.REBASE or self._given_base != self._base:
            return
        self._rebased_at = frame_id
        self._enter(Verdict.REBASED, frame_id)
        replayed = sum(step.kind is StepKind.REPLAY for step in steps)
        self._events.append(Rebased(self._base, frame_id, len(steps) - replayed, replayed))

    def _foresee(self, frame_id: int) -> None:
        """Note the states that the receiver can be in after a frame that arrives whole.

        It decodes in sync, or on top of any state that it could be in before."""
        sent = self._frames[frame_id]
        names = {sent.complete: None} if sent.total else {}
        if not sent.key:
            for parent in self._possible_before(frame_id, passed_over=sent.total == 0):
                names[self._name(parent, frame_id, sent.total, all_of(sent.total))] = None
        sent.possible = tuple(names)

    def _possible_before(self, frame_id: int, passed_over: bool = False) -> tuple[int, ...]:
        """The states that the receiver can be in before a frame.

        A receiver may take numbers that were passed over for lost frames: all of a run of them, or none."""
        before = self._frames.get(frame_id - 1)
        names = before.possible if before is not None else ()
        if before is None or before.total or passed_over:
            return names
        while before is not None and before.total == 0:
            frame_id -= 1
            before = self._frames.get(frame_id - 1)
        return (*(before.possible if before is not None else ()), *names)

    def _name(self, parent: int, frame_id: int, total: int, received: int) -> int:
        """Name a state, and remember how to make it."""
        name = lineage(parent, frame_id, total, received)
        self._recipes[name] = (parent, frame_id, total, received)
        return name

    # -- reports that came back

    def _judge(self, report: FrameReport, now_us: int) -> Verdict:
        frame_id = report.frame_id
        if frame_id <= self._base:
            return Verdict.STALE
        if self._last is None or frame_id > self._last:
            return Verdict.IMPOSSIBLE
        sent = self._frames.get(frame_id)
        whole = report.total > 0 and report.received == all_of(report.total)
        if sent is None:
            return Verdict.STALE if whole else Verdict.FORGOTTEN
        if not _is_possible(report, sent.total):
            return Verdict.IMPOSSIBLE
        if sent.key and not whole:
            return Verdict.UNEXPLAINED if self._key_on_its_way(now_us, known=True) else Verdict.KEY_LOST
        return self._conclude(report, sent, whole) if self._match(report, sent) else Verdict.UNEXPLAINED

    def _match(self, report: FrameReport, sent: _Sent) -> bool:
        """Find the reference that the receiver used: the frame's parent, or one of the states it could be in before.

        False if none leads to the reported name."""
        for parent in (sent.parent, *self._possible_before(report.frame_id, passed_over=sent.total == 0)):
            if lineage(parent, report.frame_id, report.total, report.received) == report.lineage:
                break
        else:
            return False
        if sent.possible != (report.lineage,):
            sent.possible = (self._name(parent, report.frame_id, report.total, report.received),)
            self._look_ahead(report.frame_id)
        return True

    def _look_ahead(self, frame_id: int) -> None:
        """A report settled the state after `frame_id`: narrow down the states after the frames that follow it."""
        assert self._last is not None
        for later in range(frame_id + 1, self._last + 1):
            self._foresee(later)

    def _conclude(self, report: FrameReport, sent: _Sent, whole: bool) -> Verdict:
        if sent.total == 0:
            return Verdict.EXPECTED
        in_sync = report.lineage == sent.complete
        pending = self.state is SenderState.REBASE
        if whole and not in_sync and (pending or report.frame_id < self._rebased_at):
            return Verdict.EXPECTED
        self._base, self._base_lineage = report.frame_id, report.lineage
        if in_sync:
            return Verdict.ACKNOWLEDGED
        return Verdict.DIVERGED if whole else Verdict.PARTIAL

    def _explain(self, now_us: int) -> None:
        """A report was explained, and may explain later ones that were not."""
        for frame_id in sorted(self._unexplained):
            report, since_us = self._unexplained.pop(frame_id)
            verdict = self._judge(report, now_us)
            if verdict is Verdict.UNEXPLAINED:
                self._unexplained[frame_id] = (report, since_us)
            else:
                self._enter(verdict, frame_id)

    def _enter(self, verdict: Verdict, frame_id: int) -> None:
        self.verdicts[verdict] += 1
        before, self.state = self.state, TRANSITIONS.get((self.state, verdict), self.state)
        if self.state is SenderState.KEY and before is not SenderState.KEY:
            self._events.append(KeyFrameForced(verdict, frame_id))

    def _key_on_its_way(self, now_us: int, known: bool) -> bool:
        """Whether the last key frame is too young for a request to be about it: it may not have arrived yet.

        The time is half as long if the receiver knows of that key frame, since its packets have then arrived."""
        if self._key_frame is None:
            return False
        interval_us = max(KEY_INTERVAL_US, self._rtt_us * 3 // 2)
        return now_us - self._key_us < (interval_us // 2 if known else interval_us)

    def _patience_us(self) -> int:
        return max(self._mirror_lost_us, 3 * self._rtt_us)

    # -- forgetting

    def _oldest_needed(self) -> int:
        """The oldest frame that a derivation of the base or a replay on top of it needs."""
        steps = (*(self._derivation(self._base_lineage) or ()), *self._given.steps)
        return min(self._base + 1, *(step.frame_id for step in steps)) if steps else self._base + 1

    def _prune(self) -> None:
        assert self._last is not None
        floor = max(min(self._oldest_needed(), self._base), self._last - self._window + 1)
        for frame_id in [old for old in self._frames if old < floor]:
            del self._frames[frame_id]
        wanted = [self._base_lineage, self._frames[self._last].complete]
        for frame_id, sent in self._frames.items():
            if frame_id > self._base:
                wanted += (sent.parent, *sent.possible)
        keep: set[int] = set()
        while wanted:
            name = wanted.pop()
            if name not in keep:
                keep.add(name)
                if name in self._recipes and name not in self._held:
                    wanted.append(self._recipes[name][0])
        self._held &= keep
        self._recipes = {name: recipe for name, recipe in self._recipes.items() if name in keep}


def _is_possible(report: FrameReport, total: int) -> bool:
    """Whether a receiver can report this of a frame of `total` payloads."""
    if report.total == 0:
        return report.received == 0
    return report.total == total and 0 < report.received <= all_of(total)
