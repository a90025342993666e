"""Both halves of resync with a codec whose states are hashes of their history, over a network that does anything.

Each end keeps states of its own and drops what its machine does not retain, so that a wrong derivation, a name that
stands for two states, or a state forgotten too early shows."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from grace_transport.assembler import FrameAssembler
from grace_transport.resync import Action, ReceiverResync, SenderResync, Step, StepKind, Verdict
from grace_transport.types import FrameReport, MediaPacket, Pli

FRAME_US = 33_000
WINDOW = 64
State = int
Items = tuple[FrameReport | Pli, ...]


def fake_decode(state: State, content: bytes, received: int) -> State:
    return hash(("decoded", state, content, received))


def fake_replay(state: State, content: bytes) -> State:
    return hash(("replayed", state, content))


@dataclass
class Driver:
    """One end's codec: states by name, and what is known of each frame."""

    states: dict[int, State] = field(default_factory=lambda: {0: 0})
    contents: dict[int, bytes] = field(default_factory=dict)
    received: dict[int, int] = field(default_factory=dict)

    def run(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            self.states[step.result] = self.make(step)

    def make(self, step: Step) -> State:
        state = self.states[step.parent]
        if step.total == 0:
            return state
        assert self.received[step.frame_id] & step.received == step.received
        content = self.contents[step.frame_id]
        if step.kind is StepKind.REPLAY:
            assert step.received == (1 << step.total) - 1
            return fake_replay(state, content)
        return fake_decode(state, content, step.received)

    def forget(self, lineages: frozenset[int], oldest_frame_id: int) -> None:
        self.states = {name: state for name, state in self.states.items() if name in lineages or name == 0}
        for frame_id in [old for old in self.contents if old < oldest_frame_id]:
            del self.contents[frame_id]
            del self.received[frame_id]


@dataclass
class Sent:
    parent_state: State
    state: State


class SendingEnd:
    def __init__(self, session: int) -> None:
        self.session = session
        self.machine = SenderResync()
        self.driver = Driver()
        self.next_id = 0
        self.sent: dict[int, Sent] = {}
        self.keys: list[int] = []

    def encode(self, total: int, now_us: int, force_key: bool = False) -> list[MediaPacket]:
        plan = self.machine.plan_next(now_us)
        self.driver.run(plan.steps)
        frame_id, self.next_id = self.next_id, self.next_id + 1
        parent = 0 if force_key else plan.parent
        before = self.driver.states[parent]
        content = f"{self.session}/{frame_id}/{total}/{before}".encode()
        name = self.machine.on_encoded(frame_id, parent, total, parent == 0, now_us)
        state = fake_decode(before, content, (1 << total) - 1)
        self.driver.states[name] = state
        self.driver.contents[frame_id], self.driver.received[frame_id] = content, (1 << total) - 1
        self.sent[frame_id] = Sent(before, state)
        if parent == 0:
            self.keys.append(frame_id)
        self.forget()
        return [MediaPacket(frame_id, index, total, parent, 1, parent == 0, now_us, content) for index in range(total)]

    def on_items(self, items: Items, now_us: int) -> None:
        for item in items:
            if isinstance(item, FrameReport):
                self.machine.on_report(item, now_us)
            else:
                self.machine.on_pli(item, now_us)
        self.forget()

    def forget(self) -> None:
        retained = self.machine.retained()
        assert len(retained.lineages) <= 6 * WINDOW
        self.driver.forget(retained.lineages, retained.oldest_frame_id)


class ReceivingEnd:
    """Assembler, resync and codec; checks law (a) at every frame."""

    def __init__(self) -> None:
        self.assembler = FrameAssembler(deadline_us=200_000)
        self.machine = ReceiverResync()
        self.driver = Driver()
        self.in_sync = False
        self.newest = -1
        self.handled = 0

    def on_packet(self, packet: MediaPacket, sender: SendingEnd, now_us: int) -> None:
        self.assembler.on_packet(packet, now_us)
        self.take_frames(sender, now_us)

    def on_timer(self, sender: SendingEnd, now_us: int) -> None:
        self.assembler.handle_timer(now_us)
        self.take_frames(sender, now_us)

    def take_frames(self, sender: SendingEnd, now_us: int) -> None:
        while (self.assembler.next_event()) is not None:
            self.machine.reset()
        while (frame := self.assembler.next_frame()) is not None:
            self.newest = frame.frame_id
            self.handled += 1
            plan = self.machine.plan(frame, now_us)
            self.driver.run(plan.steps)
            if plan.action in {Action.DECODE, Action.GUESS}:
                content = next(iter(frame.payloads.values()))
                before = self.driver.states[plan.parent]
                name = self.machine.on_decoded(frame.frame_id, frame.received, now_us)
                state = fake_decode(before, content, frame.received)
                self.driver.contents[frame.frame_id] = content
                self.driver.received[frame.frame_id] = frame.received
                self.driver.states[name] = state
                sent = sender.sent[frame.frame_id]
                if plan.in_sync:  # law (a): never diverge silently
                    assert before == sent.parent_state
                    assert not frame.complete or state == sent.state
                self.in_sync = plan.in_sync and frame.complete
            else:
                self.in_sync = False
                if plan.action is Action.CARRY:
                    step = self.machine.on_lost(frame.frame_id, now_us)
                    assert step is not None
                    self.driver.run((step,))
            retained = self.machine.retained()
            assert len(retained.lineages) <= 4 * WINDOW
            assert retained.lineages <= self.driver.states.keys()
            self.driver.forget(retained.lineages, retained.oldest_frame_id)


class Call:
    """Two ends, a network that delays both ways by whole frame intervals, and the time."""

    def __init__(self, seed: int, delay_frames: int) -> None:
        self.random = random.Random(seed)
        self.sender = SendingEnd(0)
        self.receiver = ReceivingEnd()
        self.delay_us = delay_frames * FRAME_US + 1_000
        self.now_us = 0
        self.media: deque[tuple[int, MediaPacket]] = deque()
        self.feedback: deque[tuple[int, Items]] = deque()
        self.sender.machine.set_rtt(2 * self.delay_us)
        self.receiver.machine.set_rtt(2 * self.delay_us)

    def frame(self, loss: float, *, feedback_loss: float = 0.0, whole_frames: bool = False) -> None:
        """One frame interval: reports that are due arrive, a frame is sent, packets that are due arrive."""
        while self.feedback and self.feedback[0][0] <= self.now_us:
            self.sender.on_items(self.feedback.popleft()[1], self.now_us)
        gone = whole_frames and self.random.random() < loss
        for packet in self.sender.encode(self.random.randint(1, 6), self.now_us):
            if not gone and (whole_frames or self.random.random() >= loss):
                self.media.append((self.now_us + self.delay_us, packet))
        end_us = self.now_us + FRAME_US
        while self.media and self.media[0][0] < end_us:
            at_us, packet = self.media.popleft()
            self.receiver.on_packet(packet, self.sender, at_us)
            self.report(at_us, feedback_loss)
        self.receiver.on_timer(self.sender, end_us)
        self.report(end_us, feedback_loss)
        self.now_us = end_us

    def report(self, at_us: int, feedback_loss: float) -> None:
        timer_us = self.receiver.machine.get_timer()
        if timer_us is not None and timer_us <= at_us:
            items = self.receiver.machine.reports_to_send(at_us)
            if items and self.random.random() >= feedback_loss:
                self.feedback.append((at_us + self.delay_us, items))


@pytest.mark.parametrize("loss", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("whole_frames", [False, True])
@pytest.mark.parametrize("delay_frames", [1, 3, 6])
def test_ends_agree_one_round_trip_after_the_last_loss(loss: float, whole_frames: bool, delay_frames: int) -> None:
    """Law (b), feedback flowing: agreement costs one round trip and the frame that shows the loss; no key frame."""
    for seed in range(6):
        call = Call(seed, delay_frames)
        for _ in range(10):
            call.frame(0.0)
        for _ in range(3 + 4 * seed):
            call.frame(loss, whole_frames=whole_frames)
        last_lossy = call.sender.next_id - 1
        for _ in range(3 * delay_frames + 5):
            call.frame(0.0)
            if call.receiver.newest > last_lossy and call.receiver.in_sync:
                break
        # lost frame + one way + the later frame that shows it + one way + encoding interval
        assert call.receiver.newest - last_lossy <= 2 * delay_frames + 3
        assert call.receiver.in_sync
        assert call.sender.keys == [0]


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("whole_frames", [False, True])
def test_lost_feedback_delays_agreement_and_breaks_nothing(loss: float, whole_frames: bool) -> None:
    for seed in range(8):
        call = Call(seed, 1 + seed % 4)
        for _ in range(60):
            call.frame(loss, feedback_loss=0.5, whole_frames=whole_frames)
        for _ in range(30):  # a key frame that lost packets is waited for 15 frames long: nothing is retransmitted here
            call.frame(0.0)
        assert call.receiver.in_sync


@pytest.mark.parametrize("frames", [30, 70, 200])
def test_agreement_after_no_feedback_at_all(frames: int) -> None:
    """Longer than either end remembers costs a key frame, shorter does not."""
    call = Call(1, 2)
    for _ in range(10):
        call.frame(0.0)
    for _ in range(frames):
        call.frame(0.2, feedback_loss=1.0)
    for _ in range(25):
        call.frame(0.0)
    assert call.receiver.in_sync
    assert (call.sender.keys == [0]) == (frames < WINDOW)


@pytest.mark.parametrize("frames", [20, 63, 250, 350])
def test_agreement_after_an_outage(frames: int) -> None:
    call = Call(2, 2)
    for _ in range(10):
        call.frame(0.0)
    for _ in range(frames):
        call.frame(1.0)
    for _ in range(30):
        call.frame(0.0)
    assert call.receiver.in_sync
    assert len(call.sender.keys) <= 2


def test_a_call_without_losses_has_one_key_frame_and_no_steps() -> None:
    call = Call(3, 3)
    for _ in range(100):
        call.frame(0.0)
    assert call.sender.keys == [0]
    assert call.sender.machine.verdicts.keys() <= {Verdict.KEY_ENCODED, Verdict.ACKNOWLEDGED}
    assert len(call.sender.driver.states) < 20


class AnyNetwork(RuleBasedStateMachine):
    """Packets and reports are lost, late, doubled and out of order; ends restart; numbers are passed over.

    Law (a) is checked by the receiving end, (c) by the counts of what is retained, (d) by nothing being raised; and
    once the network behaves, both ends agree again (b)."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0
        self.sender = SendingEnd(0)
        self.receiver = ReceivingEnd()
        self.media: list[MediaPacket] = []
        self.feedback: list[Items] = []

    @rule(total=st.integers(1, 5), force_key=st.sampled_from([False] * 9 + [True]), us=st.integers(0, 60_000))
    def encode(self, total: int, force_key: bool, us: int) -> None:
        self.media += self.sender.encode(total, self.now_us, force_key)
        self.now_us += us

    @rule(plans=st.integers(1, 2))
    def plan_and_skip(self, plans: int) -> None:
        """A plan that no encoding follows."""
        for _ in range(plans):
            self.sender.driver.run(self.sender.machine.plan_next(self.now_us).steps)
            self.sender.forget()

    @rule(count=st.sampled_from([1, 1, 2, 3, 70, 400]))
    def pass_over(self, count: int) -> None:
        self.sender.next_id += count

    @rule(count=st.integers(1, 20), us=st.integers(0, 40_000))
    def deliver(self, count: int, us: int) -> None:
        self.now_us += us
        for packet in self.media[:count]:
            self.receiver.on_packet(packet, self.sender, self.now_us)
        del self.media[:count]

    @precondition(lambda self: self.media)
    @rule(data=st.data(), keep=st.booleans())
    def deliver_any(self, data: st.DataObject, keep: bool) -> None:
        at = data.draw(st.integers(0, len(self.media) - 1))
        packet = self.media[at] if keep else self.media.pop(at)
        self.receiver.on_packet(packet, self.sender, self.now_us)

    @precondition(lambda self: self.media)
    @rule(data=st.data())
    def lose_some(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.media) - 1))
        count = data.draw(st.integers(1, 12))
        del self.media[start : start + count]

    @rule()
    def report(self) -> None:
        items = self.receiver.machine.reports_to_send(self.now_us)
        if items:
            self.feedback.append(items)

    @precondition(lambda self: self.feedback)
    @rule(data=st.data(), keep=st.booleans())
    def deliver_feedback(self, data: st.DataObject, keep: bool) -> None:
        at = data.draw(st.integers(0, len(self.feedback) - 1))
        items = self.feedback[at] if keep else self.feedback.pop(at)
        self.sender.on_items(items, self.now_us)

    @precondition(lambda self: self.feedback)
    @rule(data=st.data())
    def lose_feedback(self, data: st.DataObject) -> None:
        self.feedback.pop(data.draw(st.integers(0, len(self.feedback) - 1)))

    @rule(frame_id=st.integers(-5, 80), name=st.integers(0, 2**32 - 1), total=st.integers(0, 6), data=st.data())
    def report_from_nowhere(self, frame_id: int, name: int, total: int, data: st.DataObject) -> None:
        received = data.draw(st.integers(0, (1 << total) - 1))
        known = data.draw(st.sampled_from([name, *sorted(self.sender.driver.states)]))
        self.sender.on_items((FrameReport(frame_id, known, total, received),), self.now_us)

    @rule()
    def restart_sender(self) -> None:
        """A new stream: its packets carry another SSRC, so both ends drop what belongs to the old one."""
        self.sender = SendingEnd(self.sender.session + 1)
        self.restart_receiver()

    @rule()
    def restart_receiver(self) -> None:
        self.media.clear()
        self.feedback.clear()
        self.receiver = ReceivingEnd()

    @rule(us=st.sampled_from([5_000, 100_000, 600_000]))
    def wait(self, us: int) -> None:
        self.now_us += us
        self.receiver.on_timer(self.sender, self.now_us)

    def teardown(self) -> None:
        """The network behaves from here on; what was under way before may still come."""
        for items in self.feedback:
            self.sender.on_items(items, self.now_us)
        for packet in self.media:
            self.receiver.on_packet(packet, self.sender, self.now_us)
        for _ in range(60):
            self.now_us += FRAME_US
            packets = self.sender.encode(2, self.now_us)
            for packet in packets:
                self.receiver.on_packet(packet, self.sender, self.now_us)
            self.receiver.on_timer(self.sender, self.now_us)
            if self.receiver.in_sync and self.receiver.newest == packets[0].frame_id:
                return
            self.sender.on_items(self.receiver.machine.reports_to_send(self.now_us), self.now_us)
        raise AssertionError("no agreement within two seconds")


TestAnyNetwork = AnyNetwork.TestCase
TestAnyNetwork.settings = settings(max_examples=60, stateful_step_count=60, suppress_health_check=list(HealthCheck))
